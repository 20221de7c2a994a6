package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The examples of docs/api.md do what they say, against the real server.
func TestAPIExamples(t *testing.T) {
	page, err := os.ReadFile("../../docs/api.md")
	badConfigCheck(t, err)
	s := startServer(t)
	for _, c := range []struct{ language, file, program, flag string }{
		{"sh", "example.sh", "sh", ""}, {"js", "example.mjs", "node", ""},
		{"python", "example.py", "python3", "-I"}, {"go", "example.go", "go", "run"},
	} {
		t.Run(c.language, func(t *testing.T) {
			code := regexp.MustCompile("(?s)```" + c.language + "\n(.*?)```").FindSubmatch(page)
			if code == nil {
				t.Fatal("there is none")
			}
			file := filepath.Join(t.TempDir(), c.file)
			badConfigCheck(t, os.WriteFile(file, code[1], 0o600))
			cmd := exec.CommandContext(t.Context(), c.program, strings.Fields(c.flag+" "+file)...)
			cmd.Env = append(os.Environ(), "TURNPIKE_URL="+s.Issuer, "TURNPIKE_KEY="+s.APIKey)
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v: %s", err, stderr.String())
			}
			var answer struct {
				ICEServers []struct{ URLs []string } `json:"iceServers"`
				TTL        int                       `json:"ttl"`
			}
			if err := json.Unmarshal(out, &answer); err != nil || len(answer.ICEServers) == 0 || answer.TTL != 3600 {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
