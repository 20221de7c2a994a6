package load

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"time"
)

// Secret does not print.
type Secret string

func (Secret) String() string   { return "[redacted]" }
func (Secret) GoString() string { return "[redacted]" }

// Credentials are a user and its password, or a secret that is shared with the
// server (REST API for TURN), of which Users credentials are made.
type Credentials struct {
	User     string
	Password Secret

	Shared Secret
	Users  int
}

// shared makes the credentials of the REST API: the user is "expiry:load-i".
func sharedUsers(secret Secret, n int, expiry time.Time) []user {
	users := make([]user, n)
	for i := range users {
		name := fmt.Sprintf("%d:load-%d", expiry.Unix(), i)
		mac := hmac.New(sha1.New, []byte(secret))
		mac.Write([]byte(name))
		users[i] = user{name, base64.StdEncoding.EncodeToString(mac.Sum(nil))}
	}
	return users
}

// users are who the clients are, in turn.
func (c *Credentials) users(now time.Time, run time.Duration) []user {
	if c.Shared == "" {
		return []user{{c.User, string(c.Password)}}
	}
	return sharedUsers(c.Shared, c.Users, now.Add(run+time.Hour))
}
