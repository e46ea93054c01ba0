// What a web page gets from the OpenAI SDK in it, which has no Node under it.
import OpenAI from "/openai/index.mjs";

const messages = [{ role: "user", content: "Hello!" }];

const connect = (baseURL, apiKey) => new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 10_000, dangerouslyAllowBrowser: true });

export const plain = async (baseURL, apiKey = "not-used", headers = {}) => {
  try {
    const answer = await connect(baseURL, apiKey).chat.completions.create({ model: "sandbox", messages }, { headers });
    return answer.choices[0].message.content;
  } catch (problem) {
    const { constructor, status, code, message } = problem;
    return { name: constructor.name, status, code, message, marked: problem.headers?.get("X-Vespa-Error") };
  }
};

export const streamed = async (baseURL) => {
  const stream = await connect(baseURL, "not-used").chat.completions.create({ model: "sandbox", messages, stream: true });
  const pieces = [];
  for await (const chunk of stream) pieces.push(chunk.choices[0]?.delta?.content ?? "");
  return pieces;
};

export const aborted = async (baseURL) => {
  const stream = await connect(baseURL, "not-used").chat.completions.create({ model: "sandbox", messages, stream: true });
  let chunks = 0;
  for await (const chunk of stream) {
    chunks += 1;
    stream.controller.abort();
  }
  return chunks;
};
