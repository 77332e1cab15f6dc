// Devices for Telegraf to read: a Modbus TCP slave, an OPC UA server and an MQTT broker with
// publishers, on ports of their own. Their addresses are printed as one JSON object; they work until
// standard input is closed.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/server"
	"github.com/gopcua/opcua/ua"
	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/tbrandon/mbserver"
)

func main() {
	addresses := map[string]string{
		"MODBUS_URL": "tcp://" + modbus(),
		"OPCUA_URL":  "opc.tcp://" + opcua(),
		"MQTT_URL":   "tcp://" + broker(),
	}
	if err := json.NewEncoder(os.Stdout).Encode(addresses); err != nil {
		log.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// free gives a port that nobody listens on.
func free() int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// modbus: 181.5 degrees in tenths in register 0, 10450.50 kWh in hundredths in registers 2 and 3.
func modbus() string {
	slave := mbserver.NewServer()
	slave.HoldingRegisters[0] = 1815
	energy := uint32(1045050)
	slave.HoldingRegisters[2], slave.HoldingRegisters[3] = uint16(energy>>16), uint16(energy&0xffff)
	address := fmt.Sprintf("127.0.0.1:%d", free())
	if err := slave.ListenTCP(address); err != nil {
		log.Fatal(err)
	}
	return address
}

// opcua: 12.5 kW in the variable Press.Power of namespace 1.
func opcua() string {
	port := free()
	s := server.New(
		server.EndPoint("127.0.0.1", port),
		server.EnableSecurity("None", ua.MessageSecurityModeNone),
		server.EnableAuthMode(ua.UserTokenTypeAnonymous),
	)
	namespace := server.NewNodeNameSpace(s, "urn:press")
	root, err := s.Namespace(0)
	if err != nil {
		log.Fatal(err)
	}
	objects := namespace.Objects()
	root.Objects().AddRef(objects, id.HasComponent, true)
	objects.AddRef(namespace.AddNewVariableStringNode("Press.Power", 12.5), id.HasComponent, true)
	if err := s.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// broker: a plain number and a JSON object, several times a second.
func broker() string {
	s := mqtt.New(&mqtt.Options{
		InlineClient: true,
		Logger:       slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err := s.AddHook(new(auth.AllowHook), nil); err != nil {
		log.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", free())
	if err := s.AddListener(listeners.NewTCP(listeners.Config{ID: "tcp", Address: address})); err != nil {
		log.Fatal(err)
	}
	if err := s.Serve(); err != nil {
		log.Fatal(err)
	}
	go func() {
		for sequence := 0; ; sequence++ {
			time.Sleep(200 * time.Millisecond)
			object := fmt.Sprintf(`{"time": %d, "temperature": 64.5, "sequence": %d, "state": "running"}`,
				time.Now().UnixMilli(), sequence)
			for topic, message := range map[string]string{
				"factory/line1/saw/power":     "3.75",
				"factory-json/line1/extruder": object,
			} {
				if err := s.Publish(topic, []byte(message), false, 1); err != nil {
					log.Print(err)
				}
			}
		}
	}()
	return address
}
