package feed

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v3"
)

// Bounds on a record in YAML: bytes and depth.
const (
	maxYAML      = 4 << 20
	maxYAMLDepth = 64
)

// yamlJSON writes a document in YAML (yaml.org/spec/1.2.2) as JSON, so that records in
// both forms are read by the same rules. Every scalar but null becomes a string as it
// stands in the document: a version 1.10 is no number and a date no time. Anchors and
// what refers to them are refused; records have none, and they could be made to grow.
func yamlJSON(data []byte) ([]byte, error) {
	if len(data) > maxYAML {
		return nil, fmt.Errorf("it has %d bytes of YAML, over the limit of %d", len(data), maxYAML)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, err
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, errors.New("it is empty")
	}
	return appendYAML(nil, doc.Content[0], 0)
}

func appendYAML(b []byte, n *yaml.Node, depth int) ([]byte, error) {
	if depth > maxYAMLDepth {
		return nil, fmt.Errorf("it is nested deeper than %d", maxYAMLDepth)
	}
	if n.Anchor != "" || n.Kind == yaml.AliasNode {
		return nil, errors.New("it has an anchor, which is not taken")
	}
	var err error
	switch n.Kind {
	case yaml.MappingNode:
		b = append(b, '{')
		for i := 0; i+1 < len(n.Content); i += 2 {
			if i > 0 {
				b = append(b, ',')
			}
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode || key.Anchor != "" {
				return nil, errors.New("it has a key that is no word")
			}
			if b, err = appendQuoted(b, key.Value); err != nil {
				return nil, err
			}
			if b, err = appendYAML(append(b, ':'), n.Content[i+1], depth+1); err != nil {
				return nil, err
			}
		}
		return append(b, '}'), nil
	case yaml.SequenceNode:
		b = append(b, '[')
		for i, c := range n.Content {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendYAML(b, c, depth+1); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	case yaml.ScalarNode:
		if n.ShortTag() == "!!null" {
			return append(b, "null"...), nil
		}
		return appendQuoted(b, n.Value)
	}
	return nil, errors.New("it has a value of an unknown kind")
}

// appendQuoted appends s as a JSON string; what is not UTF-8 is replaced.
func appendQuoted(b []byte, s string) ([]byte, error) {
	b, err := jsontext.AppendQuote(b, s)
	if err != nil && b == nil {
		return nil, err
	}
	return b, nil
}
