// Vercel's AI SDK, by each of the ways that it has to ask a server of one's own.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";

import { asking, error, failure, getWeather, hello, hold, joined, model as name, schema, url } from "./conversation.js";

const apiKey = "not-used";
const ways = {
  "@ai-sdk/openai": () => createOpenAI({ baseURL: `${url}/v1`, apiKey })(name),
  "@ai-sdk/anthropic": () => createAnthropic({ baseURL: `${url}/v1`, apiKey })(name),
  "@ai-sdk/openai-compatible": () => createOpenAICompatible({ name: "vast", baseURL: `${url}/v1`, apiKey })(name),
};
const model = ways[process.env.CLIENT]();
const asked = (prompt) => ({ model, prompt, maxRetries: 0 });

export const plain = async () => (await generateText(asked(hello))).text;

export const streamed = () => joined(streamText(asked(hello)).textStream);

export const withTools = async () => {
  const tools = {
    get_weather: tool({ description: "The weather in a city.", inputSchema: jsonSchema(schema), execute: getWeather }),
  };
  const request = { ...asked(asking), tools, stopWhen: stepCountIs(3) };
  const text = await joined(streamText(request).textStream);
  const again = (await generateText(request)).text;
  return text === again ? text : { text, again };
};

export const failing = () => failure(() => generateText(asked(error)));

export const cancelled = async () => {
  const abort = new AbortController();
  for await (const piece of streamText({ ...asked(hold), abortSignal: abort.signal }).textStream) {
    abort.abort();
    return piece;
  }
};
