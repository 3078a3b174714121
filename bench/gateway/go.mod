module weir/bench/gateway

go 1.26.8
