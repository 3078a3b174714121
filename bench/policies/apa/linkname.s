// An empty assembly file lets apa_test.go declare a function without its body.
