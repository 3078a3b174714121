module weir/bench/spill

go 1.26.8

require weir v0.0.0

require github.com/goccy/go-yaml v1.19.2 // indirect

replace weir => ../..
