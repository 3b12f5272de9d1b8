module weft.example/client

go 1.24.0

require (
	connectrpc.com/connect v1.19.1
	golang.org/x/net v0.44.0
	google.golang.org/protobuf v1.36.11
)

require golang.org/x/text v0.29.0 // indirect
