// What the JavaScript OpenAI SDK gets from the proxy at BASE_URL, as one line of JSON.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: "not-used", maxRetries: 0, timeout: 10_000 });
const messages = [{ role: "user", content: "Hello!" }];

const plain = await client.chat.completions.create({ model: "sandbox", messages });

let streamed = "";
const stream = await client.chat.completions.create({
  model: "sandbox",
  messages,
  stream: true,
  stream_options: { include_usage: true },
});
let usage = null;
for await (const chunk of stream) {
  streamed += chunk.choices[0]?.delta?.content ?? "";
  usage = chunk.usage ?? usage;
}

const models = await client.models.list();
const embedding = await client.embeddings.create({ model: "sandbox", input: "Hello!" });

let error = null;
try {
  await client.chat.completions.create({ model: "sandbox", messages }, { headers: { "X-Serverless-Cost": "much" } });
} catch (problem) {
  error = { name: problem.constructor.name, status: problem.status, message: problem.message };
}

console.log(
  JSON.stringify({
    plain: plain.choices[0].message.content,
    streamed,
    usage,
    models: models.data.map((model) => model.id),
    dimensions: embedding.data[0].embedding.length,
    error,
  }),
);
