package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// The README's five minutes: its own snippet, with what the server printed.
func TestREADMECall(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	snippet := regexp.MustCompile("(?s)```js\n(.*?)```").FindSubmatch(readme)
	if snippet == nil {
		t.Fatal("no JavaScript in the README")
	}
	s := startServer(t)
	p := openPage(t)
	body := strings.Replace(string(snippet[1]), "ICE_SERVERS", string(s.ICEServers), 1)
	body = strings.Replace(body, "await heard;", "return await heard;", 1)
	got, err := chromedp.Run(p.ctx, chromedp.Evaluate[string]("(async () => {"+body+"})()", chromedp.EvalAwaitPromise))
	if err != nil || got != "hello through the relay" {
		t.Errorf("heard %q, %v", got, err)
	}
}
