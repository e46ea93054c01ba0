// What went out of an answer, piece by piece, and when.

const EVENT = /[^]*?(?:\r\n\r\n|\n\n|\r\r)|[^]+$/g;
const encoder = new TextEncoder();

/**
 * The pieces of a captured answer, or where it is an event stream its events: `{at, gap, size, text}`. `at` is in seconds since the
 * request came, `gap` since the one before; an event has come when its last byte has. Of other answers there is no `text`.
 */
export function piecesOf({ response: { content }, _pieces: pieces }) {
  const isStream = /^text\/event-stream\b/i.test(content.mimeType) && !content.encoding && content.compression === undefined;
  const found = isStream ? eventsOf(content.text, pieces) : pieces.map(([at, size]) => ({ at, size }));
  return found.map((piece, index) => ({ ...piece, gap: index ? piece.at - found[index - 1].at : null }));
}

function eventsOf(text, pieces) {
  const events = [];
  let [sent, end, index] = [0, 0, -1];
  for (const event of text.match(EVENT) ?? []) {
    const size = encoder.encode(event).length;
    end += size;
    while (sent < end && index + 1 < pieces.length) sent += pieces[++index][1];
    // The times of so many pieces aren't kept.
    if (sent < end) break;
    events.push({ at: pieces[index][0], size, text: event.trim() });
  }
  return events;
}
