// Reads Arrow files as Grafana does, with the decoder of its own Go SDK, and prints what it saw.
//
// Usage: go-decoder FILE...  The answer is one JSON object on stdout. Its frames are one object a
// file; values are texts that lose nothing: instants in nanoseconds since 1970, numbers in their
// shortest exact form. Its answers are the files of each ref id as expressions and alert rules read
// them, by the types in their meta.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/grafana/dataplane/sdata/numeric"
	"github.com/grafana/dataplane/sdata/reader"
	"github.com/grafana/dataplane/sdata/timeseries"
	"github.com/grafana/grafana-plugin-sdk-go/data"
)

type field struct {
	Name   string            `json:"name"`
	Type   string            `json:"type"`
	Labels map[string]string `json:"labels"`
	Config json.RawMessage   `json:"config"`
	Values []*string         `json:"values"`
}

// answer is what an alert rule gets: numbers or series, told apart by name and labels.
type answer struct {
	RefID string `json:"refId"`
	Type  string `json:"type"`
	Items []item `json:"items"`
}

type item struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels"`
}

type output struct {
	Frames  []frame  `json:"frames"`
	Answers []answer `json:"answers"`
}

type frame struct {
	Name   string          `json:"name"`
	RefID  string          `json:"refId"`
	Meta   json.RawMessage `json:"meta"`
	Rows   int             `json:"rows"`
	Fields []field         `json:"fields"`
}

func main() {
	result := output{Frames: []frame{}, Answers: []answer{}}
	together := map[string]data.Frames{}
	order := []string{}
	for _, path := range os.Args[1:] {
		source, decoded, err := read(path)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
			os.Exit(1)
		}
		result.Frames = append(result.Frames, *decoded)
		if _, known := together[source.RefID]; !known {
			order = append(order, source.RefID)
		}
		together[source.RefID] = append(together[source.RefID], source)
	}
	for _, refID := range order {
		answer, err := collect(refID, together[refID])
		if err != nil {
			fmt.Fprintf(os.Stderr, "query %s: %v\n", refID, err)
			os.Exit(1)
		}
		if answer != nil {
			result.Answers = append(result.Answers, *answer)
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// collect reads frames as Grafana's expressions do; nil for those that have no type for that.
func collect(refID string, frames data.Frames) (*answer, error) {
	if frames[0].Meta == nil || frames[0].Meta.Type == "" || frames[0].Meta.Type == data.FrameTypeTable {
		return nil, nil
	}
	kind, err := reader.CanReadBasedOnMeta(frames)
	if err != nil {
		return nil, err
	}
	seen := answer{RefID: refID, Type: string(kind), Items: []item{}}
	switch kind.Kind() {
	case data.KindTimeSeries:
		source, err := timeseries.CollectionReaderFromFrames(frames)
		if err != nil {
			return nil, err
		}
		series, err := source.GetCollection(true)
		if err != nil {
			return nil, err
		}
		for _, one := range series.Refs {
			seen.Items = append(seen.Items, item{Name: one.GetMetricName(), Labels: one.GetLabels()})
		}
	case data.KindNumeric:
		source, err := numeric.CollectionReaderFromFrames(frames)
		if err != nil {
			return nil, err
		}
		numbers, err := source.GetCollection(false)
		if err != nil {
			return nil, err
		}
		for _, one := range numbers.Refs {
			seen.Items = append(seen.Items, item{Name: one.GetMetricName(), Labels: one.GetLabels()})
		}
	default:
		return nil, fmt.Errorf("type %s is nothing that an expression reads", kind)
	}
	return &seen, nil
}

func read(path string) (*data.Frame, *frame, error) {
	bytes, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	source, err := data.UnmarshalArrowFrame(bytes)
	if err != nil {
		return nil, nil, err
	}
	rows, err := source.RowLen()
	if err != nil {
		return nil, nil, err
	}
	meta, err := json.Marshal(source.Meta)
	if err != nil {
		return nil, nil, err
	}
	decoded := frame{Name: source.Name, RefID: source.RefID, Meta: meta, Rows: rows, Fields: []field{}}
	for _, column := range source.Fields {
		config, err := json.Marshal(column.Config)
		if err != nil {
			return nil, nil, err
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
				return nil, nil, fmt.Errorf("field %s: %w", column.Name, err)
			}
			seen.Values[row] = text
		}
		decoded.Fields = append(decoded.Fields, seen)
	}
	return source, &decoded, nil
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
