module weir/test/faults

go 1.26.8

require weir v0.0.0

replace weir => ../..
