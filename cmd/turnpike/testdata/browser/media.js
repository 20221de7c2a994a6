"use strict";

// sendMedia sends a picture that moves and a tone that sounds, of its own
// making: no camera, no microphone, no permission to ask for.
function sendMedia(end) {
  const canvas = document.createElement("canvas");
  const brush = canvas.getContext("2d");
  let n = 0;
  setInterval(() => {
    brush.fillStyle = `hsl(${(n += 7)} 80% 50%)`;
    brush.fillRect(n % canvas.width, (3 * n) % canvas.height, 80, 60);
  }, 33);

  const audio = new AudioContext();
  const tone = audio.createOscillator();
  const sound = audio.createMediaStreamDestination();
  tone.connect(sound);
  tone.start();

  for (const stream of [canvas.captureStream(30), sound.stream]) {
    for (const track of stream.getTracks()) end.pc.addTrack(track, stream);
  }
}

// playMedia plays what comes: sound is decoded only for a listener.
function playMedia(end) {
  end.pc.ontrack = ({ track }) => {
    const player = document.createElement(track.kind);
    player.srcObject = new MediaStream([track]);
    player.autoplay = true;
    document.body.append(player);
  };
}

// mediaHeard waits until the end has decoded that many pictures, received that
// many packets of sound and heard the tone in them.
function mediaHeard(end, pictures, packets) {
  return poll(async () => {
    const inbound = (await end.stats()).filter((s) => s.type === "inbound-rtp");
    const video = inbound.find((s) => s.kind === "video");
    const audio = inbound.find((s) => s.kind === "audio");
    const heard = video?.framesDecoded >= pictures && audio?.packetsReceived >= packets && audio.totalAudioEnergy > 0;
    return heard && {
      framesDecoded: video.framesDecoded,
      audioPackets: audio.packetsReceived,
      audioEnergy: audio.totalAudioEnergy,
    };
  });
}
