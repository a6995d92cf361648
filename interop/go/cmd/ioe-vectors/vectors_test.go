package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

type vectorFile struct {
	Ops map[string]struct {
		Answer map[string]string `json:"answer"`
	} `json:"ops"`
	Shared  map[string]json.RawMessage `json:"shared"`
	Vectors []struct {
		question
		Intermediates map[string]any `json:"intermediates"`
		Result        struct {
			Verdict string `json:"verdict"`
			Code    string `json:"code"`
		} `json:"result"`
	} `json:"vectors"`
}

// Every published vector is answered as it stands there: verdict, code, and every value that both
// sides name.
func TestPublishedVectors(t *testing.T) {
	files, err := filepath.Glob("../../../vectors/v1/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	asked, compared, unsupported := 0, 0, 0
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(path) == "manifest.json" {
			continue
		}
		var file vectorFile
		exactly(t, text, &file)
		for _, vector := range file.Vectors {
			asked++
			vector.Inputs = resolved(t, vector.Inputs, file.Shared)
			got := reply(vector.question)
			if got.Verdict == "unsupported" {
				unsupported++
				continue
			}
			if got.Verdict != vector.Result.Verdict || string(got.Code) != vector.Result.Code {
				t.Errorf("%s: %s %s (%s)", vector.ID, got.Verdict, got.Code, got.Why)
			}
			values := throughJSON(t, got.Outputs)
			for name, want := range vector.Intermediates {
				value, answered := values[name]
				_, due := file.Ops[vector.Op].Answer[name]
				if answered {
					compared++
				}
				if due && got.Verdict == "valid" && !answered || answered && !reflect.DeepEqual(value, want) {
					t.Errorf("%s: %s is %v, not %v", vector.ID, name, value, want)
				}
			}
		}
	}
	t.Logf("%d vectors, %d of them of operations that are not here", asked, unsupported)
	if answered := asked - unsupported; answered < 500 || compared < answered/2 {
		t.Errorf("%d vectors, %d values compared: too few to show anything", asked, compared)
	}
}

func throughJSON(t *testing.T, values outputs) map[string]any {
	t.Helper()
	text, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	var back map[string]any
	exactly(t, text, &back)
	return back
}

// exactly reads JSON and keeps integers of any size.
func exactly(t *testing.T, text []byte, into any) {
	t.Helper()
	reader := json.NewDecoder(bytes.NewReader(text))
	reader.UseNumber()
	if err := reader.Decode(into); err != nil {
		t.Fatal(err)
	}
}

// resolved puts what a file shares into the places that name it.
func resolved(t *testing.T, inputs json.RawMessage, shared map[string]json.RawMessage) json.RawMessage {
	t.Helper()
	var tree any
	exactly(t, inputs, &tree)
	text, err := json.Marshal(filled(tree, shared))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func filled(tree any, shared map[string]json.RawMessage) any {
	switch node := tree.(type) {
	case map[string]any:
		if name, named := node["shared"].(string); named && len(node) == 1 {
			return shared[name]
		}
		for key, value := range node {
			node[key] = filled(value, shared)
		}
	case []any:
		for i, value := range node {
			node[i] = filled(value, shared)
		}
	}
	return tree
}
