package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"math/big"
	"strconv"
	"time"
)

// minter is an application that makes credentials of a secret that it shares with
// us, by the algorithm of its own source, which is written down here again. Nothing
// of package auth has a part in it.
type minter struct {
	app, title string
	source     string // where its algorithm stands: repository, file, lines, commit
	form       string // its usernames
	user       string // who turnpike takes the user for; random where the application does so
	ttl        string // of its credentials, by default
	proof      string // what else of it is tried
	mint       func(secret string, now time.Time) (username, password string)
}

// What stands for a user where limits a user would hold for nobody, or for all
// users together.
const (
	noUser     = ""
	randomUser = "(another one each time)"
	sameUser   = "(the same for all)"
)

// minters are the applications of docs/interop.md. Each is a tenant of its own.
func minters() []minter {
	const day = 24 * time.Hour
	return []minter{
		{"synapse", "Synapse", "[element-hq/synapse](https://github.com/element-hq/synapse) `synapse/rest/client/voip.py`, `on_GET`, lines 49 to 59 at 145cb6d",
			"`EXPIRY:@USER:SERVER`", "@alice:example.org", "`turn_user_lifetime`, 1 h", "", mintSynapse},
		{"prosody", "Prosody, Jitsi Meet", "[prosody](https://hg.prosody.im/trunk) `plugins/mod_external_services.lua`, `behave_turn_rest_credentials`, lines 20 to 34 of 0.12.3; Jitsi configures it so: [jitsi/docker-jitsi-meet](https://github.com/jitsi/docker-jitsi-meet) `prosody/rootfs/defaults/conf.d/jitsi-meet.cfg.lua`, `external_services`",
			"`EXPIRY`", noUser, "`ttl`, 24 h", "`TestProsody` (Prosody itself)", mintProsody},
		{"prosody-user", "Prosody with `username`", "as above",
			"`EXPIRY:USERNAME`, the same for all", sameUser, "`ttl`, 24 h", "", mintProsodyUser},
		{"nextcloud", "Nextcloud Talk", "[nextcloud/spreed](https://github.com/nextcloud/spreed) `lib/Config.php`, `getTurnSettings`, at 00bb210",
			"`EXPIRY:RANDOM`", randomUser, "24 h, fixed", "", mintNextcloud},
		{"bigbluebutton", "BigBlueButton", "[bigbluebutton](https://github.com/bigbluebutton/bigbluebutton) `bbb-common-web/.../web/services/turn/TurnServer.java`, `generatePasswordFor`, lines 25 to 39 at b4a20fa",
			"`EXPIRY:USER`", "w_dx3jbkwzpz8q", "24 h", "", mintBigBlueButton},
		{"mattermost", "Mattermost Calls", "[mattermost/rtcd](https://github.com/mattermost/rtcd) `service/rtc/turn.go`, `genTURNCredentials`, lines 14 to 35 at b4d9a2d",
			"`EXPIRY:USER`, of the server itself `EXPIRY:SESSION`", "alice", "24 h", "", mintMattermost},
		{"galene", "Galene", "[jech/galene](https://github.com/jech/galene) `ice/ice.go`, `getServer`, lines 37 to 58 at 0563356",
			"`EXPIRY:USERNAME`, the same for all, or `EXPIRY`", sameUser, "24 h, fixed", "", mintGalene},
		{"livekit", "LiveKit", "[livekit/livekit](https://github.com/livekit/livekit) `rtc.turn_servers[].secret`; releases without it take a fixed user",
			"`EXPIRY:PARTICIPANT`", "PA_8sXKzjXW2pYq", "4 h", "", func(secret string, now time.Time) (string, string) {
				return mintREST(secret, now.Add(4*time.Hour), "PA_8sXKzjXW2pYq")
			}},
		{"mediamtx", "MediaMTX", "[bluenviron/mediamtx](https://github.com/bluenviron/mediamtx) `internal/servers/webrtc/server.go`, `randomTurnUser`; username `AUTH_SECRET`",
			"`EXPIRY:RANDOM`", randomUser, "24 h, fixed", "", func(secret string, now time.Time) (string, string) {
				return mintREST(secret, now.Add(day), randomText(20, "abcdefghijklmnopqrstuvwxyz1234567890"))
			}},
		{"ejabberd", "ejabberd", "[processone/ejabberd](https://github.com/processone/ejabberd) `src/mod_stun_disco.erl`, `make_username`, `make_password`",
			"`EXPIRY:HASH`", "3f8a2c91", "12 h", "", func(secret string, now time.Time) (string, string) {
				return mintREST(secret, now.Add(12*time.Hour), "3f8a2c91")
			}},
		{"coturn", "whatever minted for coturn's other form", "[coturn/coturn](https://github.com/coturn/coturn) `src/apps/relay/userdb.c`, `get_rest_api_timestamp`",
			"`USER:EXPIRY`", "bob", "", "", func(secret string, now time.Time) (string, string) {
				return signed(secret, "bob:"+strconv.FormatInt(now.Add(time.Hour).Unix(), 10))
			}},
	}
}

// signed adds the password: padded standard base64 of HMAC-SHA1 over the whole
// username (draft-uberti-behave-turn-rest-00 §2.2).
func signed(secret, username string) (string, string) {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(username))
	return username, base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func mintREST(secret string, expires time.Time, user string) (string, string) {
	return signed(secret, fmt.Sprintf("%d:%s", expires.Unix(), user))
}

// mintSynapse reckons in milliseconds and cuts the fraction off.
func mintSynapse(secret string, now time.Time) (string, string) {
	const userLifetime = 60 * 60 * 1000
	expiry := float64(now.UnixMilli()+userLifetime) / 1000
	return signed(secret, fmt.Sprintf("%d:%s", int64(expiry), "@alice:example.org"))
}

func mintProsody(secret string, now time.Time) (string, string) {
	return signed(secret, fmt.Sprintf("%d", now.Unix()+86400))
}

func mintProsodyUser(secret string, now time.Time) (string, string) {
	return signed(secret, fmt.Sprintf("%d:%s", now.Unix()+86400, "everybody"))
}

// mintNextcloud has a random user of 16 characters for each request.
func mintNextcloud(secret string, now time.Time) (string, string) {
	const chars = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/"
	return signed(secret, strconv.FormatInt(now.Unix()+86400, 10)+":"+randomText(16, chars))
}

func mintBigBlueButton(secret string, now time.Time) (string, string) {
	const ttl = 86400
	return signed(secret, strconv.FormatInt(now.UnixMilli()/1000+ttl, 10)+":"+"w_dx3jbkwzpz8q")
}

func mintMattermost(secret string, now time.Time) (string, string) {
	return mintREST(secret, now.Add(1440*time.Minute), "alice")
}

func mintGalene(secret string, now time.Time) (string, string) {
	return signed(secret, fmt.Sprintf("%d:%s", now.Unix()+86400, "galene"))
}

func randomText(n int, chars string) string {
	b := make([]byte, n)
	for i := range b {
		j, _ := rand.Int(rand.Reader, big.NewInt(int64(len(chars)))) // never fails
		b[i] = chars[j.Int64()]
	}
	return string(b)
}
