// OpenAI's SDK for JavaScript, by responses.
import OpenAI from "openai";

import { asking, error, failure, getWeather, hello, hold, model, schema, url } from "./conversation.js";

const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "not-used", maxRetries: 0, timeout: 10_000 });
const tools = [{ type: "function", name: "get_weather", description: "The weather in a city.", parameters: schema, strict: true }];

export const plain = async () => (await client.responses.create({ model, input: hello })).output_text;

export const streamed = async () => {
  const stream = client.responses.stream({ model, input: hello });
  let text = "";
  for await (const event of stream) if (event.type === "response.output_text.delta") text += event.delta;
  const final = await stream.finalResponse();
  return text === final.output_text ? text : { text, final };
};

export const withTools = async () => {
  const input = [{ role: "user", content: asking }];
  const { output } = await client.responses.stream({ model, input, tools }).finalResponse();
  for (const call of output) {
    const answer = getWeather(JSON.parse(call.arguments));
    input.push({ type: "function_call", call_id: call.call_id, name: call.name, arguments: call.arguments });
    input.push({ type: "function_call_output", call_id: call.call_id, output: answer });
  }
  return (await client.responses.create({ model, input, tools })).output_text;
};

export const failing = () => failure(() => client.responses.create({ model, input: error }));

export const cancelled = async () => {
  const stream = await client.responses.create({ model, input: hold, stream: true });
  for await (const event of stream) if (event.type === "response.output_text.delta") return event.delta;
};

export const models = async () => (await client.models.list()).data.map(({ id }) => id);
