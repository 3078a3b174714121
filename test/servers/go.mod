module weir/test/servers

go 1.26.8
