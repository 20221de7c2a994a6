"use strict";

// What failed where nobody waits for it, such as a candidate nobody can take.
const failures = [];
addEventListener("unhandledrejection", ({ reason }) => failures.push(reason));

// poll asks until the answer is true enough, and returns it. It never gives
// up: the Go test bounds the time of each call into the page.
async function poll(ask) {
  for (;;) {
    if (failures.length > 0) throw failures[0];
    const answer = await ask();
    if (answer) return answer;
    await new Promise((wake) => setTimeout(wake, 50));
  }
}

// End is one end of a call: a peer connection with one data channel, and what
// an application would see of it.
class End {
  constructor(configuration) {
    this.pc = new RTCPeerConnection(configuration);
    this.candidates = []; // each candidate it would trickle to its peer
    this.descriptions = []; // each offer or answer it would send
    this.errors = []; // each icecandidateerror
    this.pc.onicecandidate = ({ candidate }) => {
      if (!candidate?.candidate) return;
      this.candidates.push(candidate.candidate);
      this.trickle?.(candidate);
    };
    this.pc.onicecandidateerror = ({ errorCode, errorText, url }) => this.errors.push({ errorCode, errorText, url });

    this.channel = this.pc.createDataChannel("test", { negotiated: true, id: 0 });
    this.channel.binaryType = "arraybuffer";
    this.described = new Promise((described) => (this.isDescribed = described));
  }

  // describe makes the offer or the answer, whichever is due.
  async describe() {
    await this.pc.setLocalDescription();
    this.descriptions.push(this.pc.localDescription.sdp);
    return this.pc.localDescription;
  }

  async hear(description) {
    await this.pc.setRemoteDescription(description);
    this.isDescribed();
  }

  gathered() {
    return { candidates: this.candidates, errors: this.errors };
  }

  async stats() {
    return [...(await this.pc.getStats()).values()];
  }

  // selected is the candidate pair that carries the call.
  async selected() {
    const stats = await this.stats();
    const byId = (id) => stats.find((s) => s.id === id);
    const pair = byId(stats.find((s) => s.type === "transport").selectedCandidatePairId);
    const side = (c) => ({ type: c.candidateType, address: `${c.address}:${c.port}`, relayProtocol: c.relayProtocol });
    return { ...pair, local: side(byId(pair.localCandidateId)), remote: side(byId(pair.remoteCandidateId)) };
  }
}
