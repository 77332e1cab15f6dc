// Telegraf itself, of which the tests build the few plugins that docs/telegraf uses, and the devices
// that it reads in them. Not tidy: `go mod tidy` would drop Telegraf, which is a program.
module lotwise/tests/telegraf

go 1.25.5

require (
	github.com/gopcua/opcua v0.8.0
	github.com/influxdata/telegraf v1.37.2
	github.com/mochi-mqtt/server/v2 v2.7.9
	github.com/tbrandon/mbserver v0.0.0-20170611213546-993e1772cc62
)

require (
	github.com/goburrow/serial v0.1.1-0.20211022031912-bfb69110f8dd // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/gorilla/websocket v1.5.4-0.20250319132907-e064f32e3674 // indirect
	github.com/rs/xid v1.4.0 // indirect
	golang.org/x/net v0.49.0 // indirect
	gopkg.in/yaml.v3 v3.0.1 // indirect
)
