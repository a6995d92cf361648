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
	asked, compared := 0, 0
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var file vectorFile
		exactly(t, text, &file)
		for _, vector := range file.Vectors {
			asked++
			got := reply(vector.question)
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
	if asked < 500 || compared < asked {
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
