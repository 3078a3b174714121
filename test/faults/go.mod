module weir/test/faults

go 1.26.8
