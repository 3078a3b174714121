module weir/bench/share

go 1.26.8

require weir v0.0.0

replace weir => ../..
