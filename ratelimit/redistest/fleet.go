//go:build unix

package redistest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Watched is a primary, its replica and the Sentinels that promote it.
type Watched struct {
	Master    string
	Sentinels []string // addresses
	Primary   *Server
	Replica   *Server
}

// StartSentinel runs a primary, a replica and three Sentinels that take a primary
// for dead after a second.
func StartSentinel(t *testing.T) *Watched {
	t.Helper()
	w := &Watched{Master: "relays", Primary: Start(t)}
	w.Replica = Start(t, "--replicaof", "127.0.0.1", strconv.Itoa(w.Primary.Port))
	Eventually(t, "the replica follows", func() bool {
		return strings.Contains(fmt.Sprint(w.Replica.Do("INFO", "replication")), "master_link_status:up")
	})
	for range 3 {
		s := newServer(t)
		conf := filepath.Join(s.dir, "sentinel.conf")
		text := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %s\nsentinel monitor %s 127.0.0.1 %d 2\nsentinel down-after-milliseconds %[3]s 1000\nsentinel failover-timeout %[3]s 5000\n",
			s.Port, s.dir, w.Master, w.Primary.Port)
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s.args = []string{conf, "--sentinel"}
		s.run()
		w.Sentinels = append(w.Sentinels, s.Addr)
		Eventually(t, "a Sentinel knows the replica", func() bool {
			return strings.Contains(fmt.Sprint(s.Do("SENTINEL", "REPLICAS", w.Master)), strconv.Itoa(w.Replica.Port))
		})
	}
	return w
}

// Cluster is servers that share 16,384 slots.
type Cluster struct {
	Servers []*Server
	t       *testing.T
}

const slots = 16384

// StartCluster runs n primaries.
func StartCluster(t *testing.T, n int) *Cluster {
	t.Helper()
	c := &Cluster{t: t}
	for i := range n {
		s := Start(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
		c.Servers = append(c.Servers, s)
		s.Do("CLUSTER", "ADDSLOTSRANGE", i*slots/n, (i+1)*slots/n-1)
		s.Do("CLUSTER", "SET-CONFIG-EPOCH", i+1)
		s.Do("CLUSTER", "MEET", "127.0.0.1", c.Servers[0].Port)
	}
	for _, s := range c.Servers {
		Eventually(t, "the Cluster is complete", func() bool {
			info := fmt.Sprint(s.Do("CLUSTER", "INFO"))
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprint("cluster_known_nodes:", n))
		})
	}
	return c
}

// Move gives a slot with its keys from one server to another, as a reshard does.
func (c *Cluster) Move(slot, from, to int) {
	c.t.Helper()
	a, b := c.Servers[from], c.Servers[to]
	aID, bID := a.Do("CLUSTER", "MYID"), b.Do("CLUSTER", "MYID")
	b.Do("CLUSTER", "SETSLOT", slot, "IMPORTING", aID)
	a.Do("CLUSTER", "SETSLOT", slot, "MIGRATING", bID)
	client := a.Client()
	for {
		keys, err := client.ClusterGetKeysInSlot(context.Background(), slot, 100).Result()
		if err != nil {
			c.t.Fatal(err)
		}
		if len(keys) == 0 {
			break
		}
		for _, k := range keys {
			a.Do("MIGRATE", "127.0.0.1", b.Port, k, 0, 1000)
		}
	}
	b.Do("CLUSTER", "SETSLOT", slot, "NODE", bID)
	a.Do("CLUSTER", "SETSLOT", slot, "NODE", bID)
}
