package redisstore

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Options of a [Store]. 0 means the default.
type Options struct {
	Addrs   []string // host:port; of the Sentinels with Master; or one unix socket's path
	Master  string   // name that Sentinel knows the server by
	Cluster bool     // also with a single address
	DB      int      // not with Cluster

	Username, Password                 string
	SentinelUsername, SentinelPassword string
	TLS                                *tls.Config // nil: plain

	// HashKey hides the names of accounts from who reads the keys. All nodes need
	// the same. Without one, a name that is guessed can be confirmed.
	HashKey []byte
	Prefix  string // of every key; "t:"

	DialTimeout time.Duration // 500 ms
	Timeout     time.Duration // of an operation; 200 ms
	Pool        int           // connections to each server; 8

	// Dialed is told of every connection where it goes to: Sentinel and Cluster name
	// servers that nobody has configured. It must not wait.
	Dialed func(net.Addr)
}

func (o *Options) complete() error {
	if o.Prefix == "" {
		o.Prefix = "t:"
	}
	if o.DialTimeout == 0 {
		o.DialTimeout = 500 * time.Millisecond
	}
	if o.Timeout == 0 {
		o.Timeout = 200 * time.Millisecond
	}
	if o.Pool == 0 {
		o.Pool = 8
	}
	var errs []error
	complain := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf("redisstore: "+format, args...))
		}
	}
	complain(len(o.Addrs) == 0, "Addrs is empty; name a server as host:port")
	complain(o.Master != "" && o.Cluster, "Master and Cluster exclude each other: Sentinel looks after one server, a Cluster after itself")
	complain(o.Master == "" && !o.Cluster && len(o.Addrs) > 1, "%d Addrs: set Cluster, or Master if they are Sentinels", len(o.Addrs))
	complain(o.Cluster && o.DB != 0, "DB is %d: a Cluster has none but 0", o.DB)
	complain(o.DB < 0, "DB is %d, it must be 0 or more", o.DB)
	complain(strings.ContainsAny(o.Prefix, "{}"), "Prefix %q has a brace, which would be the hash tag of every key", o.Prefix)
	complain(o.DialTimeout < 0 || o.Timeout < 0, "DialTimeout is %v and Timeout %v, they must be above 0", o.DialTimeout, o.Timeout)
	complain(o.Pool < 1 || o.Pool > 1000, "Pool is %d, it must be 1 to 1000", o.Pool)
	return errors.Join(errs...)
}

func (o *Options) client(h hook) redis.UniversalClient {
	client := redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs: o.Addrs, MasterName: o.Master, IsClusterMode: o.Cluster, DB: o.DB, ClientName: "turnpike", DisableIdentity: true,
		Username: o.Username, Password: o.Password,
		SentinelUsername: o.SentinelUsername, SentinelPassword: o.SentinelPassword, TLSConfig: o.TLS,

		Protocol:   2,
		MaxRetries: 1, DialerRetries: 1,
		MinRetryBackoff: 8 * time.Millisecond, MaxRetryBackoff: 32 * time.Millisecond,
		DialTimeout: o.DialTimeout, ReadTimeout: o.Timeout, WriteTimeout: o.Timeout,
		ContextTimeoutEnabled: true,
		PoolSize:              o.Pool, MaxActiveConns: 2 * o.Pool, PoolTimeout: o.Timeout, PipelinePoolSize: -1,
		ConnMaxIdleTime: 5 * time.Minute,

		// Only some managed services know them; elsewhere each connection would
		// begin with an error.
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	if c, ok := client.(*redis.ClusterClient); ok {
		c.OnNewNode(func(one *redis.Client) { one.AddHook(h) })
	} else {
		client.AddHook(h)
	}
	return client
}
