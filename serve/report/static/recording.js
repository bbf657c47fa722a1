// A recording that the reader has at hand: chosen from the disk, played here, sent nowhere.
import { clockTime, element } from "./session.js";

export function mountRecording(root, session, { onTime, onMessage }) {
  const box = root.querySelector(".recording");
  if (!box) return { play: () => {}, stop: () => {} };
  const choice = box.querySelector("input");
  let player = null;
  let url = null;
  box.hidden = false;

  function stop() {
    player?.remove();
    if (url) URL.revokeObjectURL(url);
    player = url = null;
  }

  choice.addEventListener("change", () => {
    stop();
    const [file] = choice.files;
    if (!file) return;
    url = URL.createObjectURL(file);
    const kind = file.type.startsWith("video/") ? "video" : "audio";
    player = element(kind, { controls: true, src: url, preload: "metadata" });
    player.addEventListener("error", () => onMessage(session.say("media_failed")));
    player.addEventListener("timeupdate", () => onTime(turnAt(player.currentTime * 1000)));
    box.append(player);
  });

  function turnAt(milliseconds) {
    let found = 0;
    session.island.turns.forEach(([, start], turn) => {
      if (start !== null && start <= milliseconds) found = turn;
    });
    return found;
  }

  function play(turn) {
    const start = session.start(turn);
    if (!player) {
      onMessage(session.say("media_none"));
      choice.focus();
      return;
    }
    if (start === null) return;
    player.currentTime = start / 1000;
    player.play().catch(() => onMessage(session.say("media_failed")));
    onMessage(session.say("playing", { time: clockTime(start) }));
  }

  return { play, stop };
}
