// Reads Arrow files as Grafana does, with the decoder of its own Go SDK, and prints what it saw.
//
// Usage: go-decoder FILE...  The answer is one JSON array on stdout, one object a file. Values are
// texts that lose nothing: instants in nanoseconds since 1970, numbers in their shortest exact form.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
)

type field struct {
	Name   string            `json:"name"`
	Type   string            `json:"type"`
	Labels map[string]string `json:"labels"`
	Config json.RawMessage   `json:"config"`
	Values []*string         `json:"values"`
}

type frame struct {
	Name   string          `json:"name"`
	RefID  string          `json:"refId"`
	Meta   json.RawMessage `json:"meta"`
	Rows   int             `json:"rows"`
	Fields []field         `json:"fields"`
}

func main() {
	frames := []frame{}
	for _, path := range os.Args[1:] {
		decoded, err := read(path)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
			os.Exit(1)
		}
		frames = append(frames, *decoded)
	}
	if err := json.NewEncoder(os.Stdout).Encode(frames); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(path string) (*frame, error) {
	bytes, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	source, err := data.UnmarshalArrowFrame(bytes)
	if err != nil {
		return nil, err
	}
	rows, err := source.RowLen()
	if err != nil {
		return nil, err
	}
	meta, err := json.Marshal(source.Meta)
	if err != nil {
		return nil, err
	}
	decoded := frame{Name: source.Name, RefID: source.RefID, Meta: meta, Rows: rows, Fields: []field{}}
	for _, column := range source.Fields {
		config, err := json.Marshal(column.Config)
		if err != nil {
			return nil, err
		}
		labels := map[string]string(column.Labels)
		if labels == nil {
			labels = map[string]string{}
		}
		seen := field{
			Name: column.Name, Type: column.Type().ItemTypeString(),
			Labels: labels, Config: config, Values: make([]*string, rows),
		}
		for row := range rows {
			text, err := text(column, row)
			if err != nil {
				return nil, fmt.Errorf("field %s: %w", column.Name, err)
			}
			seen.Values[row] = text
		}
		decoded.Fields = append(decoded.Fields, seen)
	}
	return &decoded, nil
}

// text is the value of a row, nil where there is none.
func text(column *data.Field, row int) (*string, error) {
	value, there := column.ConcreteAt(row)
	if !there {
		return nil, nil
	}
	var text string
	switch value := value.(type) {
	case time.Time:
		text = strconv.FormatInt(value.UnixNano(), 10)
	case float64:
		text = strconv.FormatFloat(value, 'g', -1, 64)
	case bool:
		text = strconv.FormatBool(value)
	case string:
		text = value
	default:
		return nil, fmt.Errorf("a value of type %T, which Lotwise never sends", value)
	}
	return &text, nil
}
