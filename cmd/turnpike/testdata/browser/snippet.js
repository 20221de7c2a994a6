"use strict";

// What Go tests call to run `turnpike snippet javascript`.

const moduleOf = (text) => import("data:text/javascript," + encodeURIComponent(text));

// askedBy answers the request that iceServers of a snippet makes. It runs where
// there is Node's process.
async function askedBy(text, key, user) {
  const { iceServers } = await moduleOf(text);
  const real = globalThis.fetch;
  globalThis.process = { env: { TURNPIKE_API_KEY: key } };
  let asked;
  globalThis.fetch = async (url, { method, headers, body }) => {
    asked = { url, method, headers, body };
    return new Response("{}");
  };
  try {
    await iceServers(user);
  } finally {
    globalThis.fetch = real;
  }
  return asked;
}

// connectBy answers what the peer connection gathers that connect of a snippet
// makes of an answer.
async function connectBy(text, answer) {
  const { connect } = await moduleOf(text);
  const pc = await connect("data:application/json," + encodeURIComponent(JSON.stringify(answer)));
  const candidates = [];
  const errors = [];
  pc.onicecandidate = ({ candidate }) => candidate && candidates.push(candidate.candidate);
  pc.onicecandidateerror = ({ errorCode, errorText, url }) => errors.push({ errorCode, errorText, url });
  pc.createDataChannel("any");
  await pc.setLocalDescription();
  await poll(() => candidates.some((c) => c.includes(" typ relay ")) || errors.some((e) => e.errorCode < 700));
  pc.close();
  return { candidates, errors };
}
