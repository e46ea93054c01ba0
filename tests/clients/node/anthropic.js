// Anthropic's SDK for JavaScript.
import Anthropic from "@anthropic-ai/sdk";

import { asking, error, failure, getWeather, hello, hold, model, schema, url } from "./conversation.js";

const client = new Anthropic({ baseURL: url, apiKey: "not-used", maxRetries: 0, timeout: 10_000 });
const tools = [{ name: "get_weather", description: "The weather in a city.", input_schema: schema }];
const told = (content) => ({ model, max_tokens: 1000, messages: [{ role: "user", content }] });

export const plain = async () => (await client.messages.create(told(hello))).content[0].text;

export const streamed = async () => {
  const stream = client.messages.stream(told(hello));
  let text = "";
  stream.on("text", (piece) => (text += piece));
  const final = await stream.finalText();
  return text === final ? text : { text, final };
};

export const withTools = async () => {
  const request = { ...told(asking), tools };
  const asked = await client.messages.stream(request).finalMessage();
  const results = asked.content.map((call) => ({ type: "tool_result", tool_use_id: call.id, content: getWeather(call.input) }));
  request.messages.push({ role: "assistant", content: asked.content }, { role: "user", content: results });
  return (await client.messages.create(request)).content[0].text;
};

export const failing = () => failure(() => client.messages.create(told(error)));

export const cancelled = async () => {
  const stream = await client.messages.create({ ...told(hold), stream: true });
  for await (const event of stream) if (event.type === "content_block_delta") return event.delta.text;
};

export const models = async () => (await client.models.list()).data.map(({ id }) => id);
