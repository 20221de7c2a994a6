"use strict";

// What the Go tests call. Everything returned is plain JSON.

let alice, bob;

// dial sets a call up between alice and bob. With relay-only policy, which the
// page insists on as a careful application does, the relay is the only way.
async function dial(aliceConfiguration, bobConfiguration) {
  await offer(aliceConfiguration, bobConfiguration);
  await poll(() => [alice, bob].every((end) => end.channel.readyState === "open"));
}

// dialInVain answers what each end got once a server has failed both.
async function dialInVain(aliceConfiguration, bobConfiguration) {
  await offer(aliceConfiguration, bobConfiguration);
  await poll(() => [alice, bob].every((end) => end.errors.length > 0));
  return { alice: alice.gathered(), bob: bob.gathered() };
}

async function offer(aliceConfiguration, bobConfiguration) {
  alice = new End({ ...aliceConfiguration, iceTransportPolicy: "relay" });
  bob = new End({ ...bobConfiguration, iceTransportPolicy: "relay" });
  for (const [end, peer] of [[alice, bob], [bob, alice]]) {
    end.trickle = (candidate) => peer.described.then(() => peer.pc.addIceCandidate(candidate));
  }
  await negotiate();
}

async function negotiate() {
  await bob.hear(await alice.describe());
  await alice.hear(await bob.describe());
}

// echo sends messages each way, text and binary, has the other end send them
// back, and answers how many bytes came back as they were sent.
async function echo(messages, size) {
  const intact = {};
  for (const [name, end, peer] of [["alice", alice, bob], ["bob", bob, alice]]) {
    intact[name] = await echoFrom(end, peer, messages, size);
  }
  return intact;
}

// echoFrom keeps two messages under way: a flood would overflow the socket's
// buffers, and lost datagrams make the two sides' counters differ.
async function echoFrom(end, peer, messages, size) {
  peer.channel.onmessage = ({ data }) => peer.channel.send(data);
  const underWay = [];
  let sent = 0;
  const send = () => {
    if (sent === messages) return;
    underWay.push(message(size, sent++ % 2 === 0));
    end.channel.send(underWay.at(-1));
  };
  await new Promise((done, failed) => {
    end.channel.onmessage = ({ data }) => {
      if (!same(data, underWay.shift())) failed(new Error("a message came back changed"));
      send();
      if (underWay.length === 0) done();
    };
    send();
    send();
  });
  return sent * size;
}

function message(size, asText) {
  const bytes = crypto.getRandomValues(new Uint8Array(size));
  return asText ? Array.from(bytes, (b) => String.fromCharCode(0x20 + (b % 0x5f))).join("") : bytes;
}

function same(got, sent) {
  if (typeof sent === "string") return got === sent;
  const bytes = new Uint8Array(got);
  return bytes.length === sent.length && bytes.every((b, i) => b === sent[i]);
}

// startMedia adds picture and sound each way, and waits until they have come.
async function startMedia(pictures, packets) {
  for (const end of [alice, bob]) {
    playMedia(end);
    sendMedia(end);
  }
  await negotiate();
  const [a, b] = await Promise.all([mediaHeard(alice, pictures, packets), mediaHeard(bob, pictures, packets)]);
  return { alice: a, bob: b };
}

// stopMedia ends them for good, so that neither RTP nor RTCP flows. The call
// stays: its transport is the one of the data channel, which was there first.
async function stopMedia() {
  for (const end of [alice, bob]) end.pc.getTransceivers().forEach((t) => t.stop());
  await negotiate();
}

// atRest waits until, at both ends, not one byte has passed while that many
// ICE checks were made, and answers the pairs that carried the call.
async function atRest(checks) {
  const since = {};
  const bytes = (pair) => `${pair.bytesSent} ${pair.bytesReceived}`;
  const resting = async (name, end) => {
    const pair = await end.selected();
    if (!since[name] || bytes(since[name]) !== bytes(pair)) since[name] = pair;
    return pair.requestsSent - since[name].requestsSent >= checks && pair;
  };
  return poll(async () => {
    const pairs = { alice: await resting("alice", alice), bob: await resting("bob", bob) };
    return pairs.alice && pairs.bob && pairs;
  });
}

// report tells why a call into the page may have come to nothing.
function report() {
  return [alice, bob].map((end) => end && {
    ice: `${end.pc.iceGatheringState} ${end.pc.iceConnectionState}`,
    candidates: end.candidates,
    errors: end.errors,
  });
}

function hangUp() {
  alice.pc.close();
  bob.pc.close();
}

// signalled is all that the call has told the other side: where a leak would
// show. The present descriptions are in it too, with the candidates found since.
function signalled() {
  const ends = [alice, bob];
  return {
    candidates: ends.flatMap((end) => end.candidates),
    descriptions: ends.flatMap((end) => [...end.descriptions, end.pc.localDescription.sdp]),
  };
}

// gather answers what one end alone gets from a configuration as it stands:
// until a candidate of that type is there, or a server said no (701 and above
// are the browser's own words). It does not wait for the end of gathering,
// which never comes on a machine without an uplink.
async function gather(configuration, type) {
  const end = new End(configuration);
  await end.describe();
  await poll(() => end.candidates.some((c) => c.includes(` typ ${type} `)) || end.errors.some((e) => e.errorCode < 700));
  end.pc.close();
  return end.gathered();
}

// tryPeer has alice try an address as if bob had named it, and answers the pair
// once it has failed, or else once it has made that many checks.
async function tryPeer(address, port, checks) {
  const usernameFragment = bob.pc.localDescription.sdp.match(/a=ice-ufrag:(\S+)/)[1];
  const candidate = `candidate:1 1 udp 2122260223 ${address} ${port} typ host ufrag ${usernameFragment}`;
  await alice.pc.addIceCandidate({ candidate, sdpMLineIndex: 0, usernameFragment });
  return poll(async () => {
    const stats = await alice.stats();
    const remote = stats.find((s) => s.type === "remote-candidate" && s.address === address && s.port === port);
    const pair = stats.find((s) => s.type === "candidate-pair" && s.remoteCandidateId === remote?.id);
    return (pair?.state === "failed" || pair?.requestsSent >= checks) && pair;
  });
}
