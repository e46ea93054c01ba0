// What each client asks the sandbox's model: tests/clients/conversation.py, for JavaScript.
export const url = process.env.PROXY_URL;
export const model = "my-model";
export const hello = "Hello!";
export const hold = "hold";
export const error = "error 403";
export const asking = "Ask get_weather, please.";
export const schema = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
export const getWeather = ({ city }) => `rain in ${city}`;

// What became of a call that has to fail.
export const failure = async (call) => {
  try {
    return { whole: await call() };
  } catch (problem) {
    return { name: problem.constructor.name, status: problem.status ?? problem.statusCode, message: problem.message };
  }
};

// The pieces of a stream, put together.
export const joined = async (pieces) => {
  let text = "";
  for await (const piece of pieces) text += piece;
  return text;
};
