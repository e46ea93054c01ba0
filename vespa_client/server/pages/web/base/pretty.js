// JSON with a line for each member.

const DEEPEST = 40;
const PARTS = /"[^"\\]*(?:\\.[^"\\]*)*"|\s+|[[{]\s*[\]}]|[[\]{},:]/g;

/** The JSON, laid out; null where it is none. Its numbers, names and texts stay as they were sent, which a parser would change. */
export function pretty(text) {
  if (!isJson(text)) return null;
  let depth = 0;
  const line = () => `\n${"  ".repeat(Math.min(depth, DEEPEST))}`;
  return text.replace(PARTS, (part) => {
    switch (part[0]) {
      case "{":
      case "[":
        return part.length > 1 ? part[0] + part.at(-1) : part + ((depth += 1), line());
      case "}":
      case "]":
        return ((depth -= 1), line()) + part;
      case ",":
        return part + line();
      case ":":
        return ": ";
      default:
        return part[0] === '"' ? part : "";
    }
  });
}

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
