package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// browserRun bounds one whole test with a browser; browserStep each call into
// the page, so that a test that hangs says where.
const (
	browserRun  = 2 * time.Minute
	browserStep = 25 * time.Second
)

// chromiumFlags are beside what chromedp gives. Chromium gathers nothing on the
// loopback interface by default, and loopback is where `serve --dev` listens:
// with allow-loopback-in-peer-connection the tests need no uplink.
var chromiumFlags = []string{
	"allow-loopback-in-peer-connection",
	"disable-component-update",
	"disable-gpu",
	"disable-quic",
}

// page is one tab of a browser of its own, with testdata/browser/page.html in it.
type page struct {
	ctx context.Context
	url string
}

// openPage starts Chromium, headless, with an empty profile and, as root, without
// its sandbox, which is what chromedp does unasked. The test's end ends it.
//
// Certificates are verified as anywhere, but for those with a trusted key, each
// the base64 of its SHA-256: they stand for what a public CA has signed.
func openPage(t *testing.T, trusted ...string) page {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("the tests with a browser need Chromium: make deps (%v)", err)
	}
	web := httptest.NewServer(http.FileServer(http.Dir("testdata/browser")))
	t.Cleanup(web.Close)

	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium),
		chromedp.Flag("ignore-certificate-errors-spki-list", strings.Join(trusted, ",")),
		chromedp.Flag("autoplay-policy", "no-user-gesture-required")) // sound plays unasked
	for _, flag := range chromiumFlags {
		options = append(options, chromedp.Flag(flag, true))
	}
	ctx, cancel := context.WithTimeout(context.Background(), browserRun)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil { // returns when Chromium is gone, and its profile too
			t.Errorf("end Chromium: %v", err)
		}
		cancel()
	})

	p := page{ctx: ctx, url: web.URL + "/page.html"}
	p.load(t)
	return p
}

// load begins anew: nothing of what the page had begun goes on.
func (p page) load(t *testing.T) {
	t.Helper()
	if err := chromedp.Do(p.ctx, chromedp.Navigate(p.url)); err != nil {
		t.Fatalf("Chromium: %v", err)
	}
}

// call calls a function of the page with arguments in JSON and returns what its
// promise comes to.
func call[T any](t *testing.T, p page, function string, args ...any) T {
	t.Helper()
	list := make([]string, len(args))
	for i, arg := range args {
		text, err := json.Marshal(arg)
		if err != nil {
			t.Fatal(err)
		}
		list[i] = string(text)
	}
	ctx, cancel := context.WithTimeout(p.ctx, browserStep)
	defer cancel()
	script := function + "(" + strings.Join(list, ", ") + ")"
	got, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		state, _ := chromedp.Run(p.ctx, chromedp.Evaluate[[]byte]("report()"))
		t.Fatalf("in the page: %s: %v\n%s", function, err, state)
	}
	return got
}

// do is call for a function that answers nothing.
func (p page) do(t *testing.T, function string, args ...any) {
	t.Helper()
	call[chromedp.Void](t, p, function, args...)
}
