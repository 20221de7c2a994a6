package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// maxAnswer is far beyond what any server has to say, in bytes.
const maxAnswer = 1 << 26

// Health asks a running turnpike at its operator listener, http://IP:PORT or
// unix:PATH, under path (/livez or /readyz), and returns nil if it is well. The
// error has the server's reasons, or says that what answers is no turnpike. A
// listener on every address of the host is asked over loopback. ctx bounds it.
func Health(ctx context.Context, endpoint, path string) error {
	if err := health(ctx, endpoint, path); err != nil {
		return fmt.Errorf("probe: %s: %w", endpoint, err)
	}
	return nil
}

func health(ctx context.Context, endpoint, path string) error {
	status, body, err := ask(ctx, http.MethodGet, endpoint, path, nil)
	if err != nil {
		return err
	}
	return verdict(status, body)
}

// Post has a running turnpike do something at its operator listener, and returns
// what it answers. An answer other than 200 is an error.
func Post(ctx context.Context, endpoint, path string) ([]byte, error) {
	return Do(ctx, http.MethodPost, endpoint, path, nil)
}

// Do is Post with any method, and what is to be said with it.
func Do(ctx context.Context, method, endpoint, path string, say []byte) ([]byte, error) {
	status, body, err := ask(ctx, method, endpoint, path, say)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%d %s: %s", status, http.StatusText(status), strings.TrimSpace(string(body)))
	}
	if err != nil {
		return nil, fmt.Errorf("probe: %s: %w", endpoint, err)
	}
	return body, nil
}

func ask(ctx context.Context, method, endpoint, path string, say []byte) (status int, body []byte, err error) {
	network, address, err := parseEndpoint(endpoint)
	if err != nil {
		return 0, nil, err
	}
	client := http.Client{
		Transport: &http.Transport{ // no proxy
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, address)
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://turnpike"+path, bytes.NewReader(say))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Turnpike", "1") // no web page can have a browser send it
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return response.StatusCode, body, err
}

// parseEndpoint gives network and address as net.Dial has them.
func parseEndpoint(s string) (network, address string, err error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok && path != "" {
		return "unix", path, nil
	}
	at, err := netip.ParseAddrPort(strings.TrimPrefix(s, "http://"))
	if err != nil || at.Port() == 0 {
		return "", "", errors.New("not an endpoint: want http://IP:PORT or unix:PATH, as the operator listener has it")
	}
	switch at.Addr() {
	case netip.IPv4Unspecified():
		at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port())
	case netip.IPv6Unspecified():
		at = netip.AddrPortFrom(netip.IPv6Loopback(), at.Port())
	}
	return "tcp", at.String(), nil
}

// verdict reads an answer. The status alone is not enough: whoever has the port
// now may say 200 to anything.
func verdict(status int, body []byte) error {
	var answer struct {
		Status  string   `json:"status"`
		Reasons []string `json:"reasons"`
	}
	_ = json.Unmarshal(body, &answer) // what is not JSON has no status
	switch {
	case status == http.StatusOK && (answer.Status == "live" || answer.Status == "ready"):
		return nil
	case status == http.StatusServiceUnavailable && len(answer.Reasons) > 0:
		return fmt.Errorf("%s: %s", answer.Status, strings.Join(answer.Reasons, "; "))
	}
	return fmt.Errorf("what answers (%d %s) is not the operator listener of turnpike", status, http.StatusText(status))
}
