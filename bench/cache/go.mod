module weir/bench/cache

go 1.26.8

require weir v0.0.0

require (
	github.com/maypok86/otter/v2 v2.4.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)

replace weir => ../..
