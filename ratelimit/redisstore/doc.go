// Package redisstore is a [ratelimit.Store] in Redis 7.0 or later, or Valkey: one
// server, Sentinel or Cluster.
//
// # What is there
//
// Every key begins with the prefix ("t:") and expires. An account is named by 22
// characters of an HMAC-SHA-256 of its kind, tenant and name, which are its hash
// tag: no text of a client is in a key, and all of an account lies in one slot.
//
//	t:{ACCOUNT}:s           sorted set: members by the end of their lease, in ms
//	t:{ACCOUNT}:g:NAME      theoretical arrival time of a rate, in us
//	t:{ACCOUNT}:b:WINDOW    hash: total, and of each holder "seq has bytes"
//	t:{epoch}               "ID ms", of the moment it was found empty
//	t:{nodes}:l, t:{nodes}:d  leases and announcements of the nodes
//	t:{revocations}, t:{accounting}  streams; with :HASH the keys known there
//
// Scripts are fixed text, called by EVALSHA, and by EVAL if the server does not
// know them. They ask the server for the time. Each touches one hash tag.
//
// The user of an ACL needs:
//
//	~t:* &t:* +eval +evalsha +time +get +set +pttl +pexpire +pexpireat +zadd
//	+zcard +zscore +zrem +zremrangebyscore +zrangebyscore +hget +hset +hdel
//	+hmget +xadd +xtrim +xrange +publish +subscribe +unsubscribe +ping +info
//	+client|setname +hello, and with Cluster +cluster +command +readonly
//
// # What it costs when Redis is gone
//
// Dialing takes 500 ms at most, an operation 200 ms, and one is tried again once:
// every script may be repeated. After three failures in a row a breaker answers
// [ratelimit.ErrAway] at once, and lets one call try after 200 ms, 400 ms and so
// on up to 2 s, each shortened by chance.
//
// # What it can't promise
//
// Redis replicates without waiting. A fail-over may lose the newest second or so
// of leases and grants. A node that noticed says all again at once, another with its
// next settlement and renewal; until then as many may be let in beyond a limit as
// were lost. The epoch tells of a server that was flushed or came back
// empty, but not of one shard of a Cluster. Nodes that are cut off while the
// memory is lost say what they hold when they are back, and no earlier.
package redisstore
