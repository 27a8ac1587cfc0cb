// OpenAI's own client, and the AI SDK's provider for what is compatible with it, at /v1.
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { embedMany, generateText, Output, stepCountIs, streamText, tool } from 'ai';
import OpenAI from 'openai';
import { z } from 'zod';
import { given, refused, run } from './cases.mjs';

const baseURL = `${given.url}/v1`;
const client = new OpenAI({ baseURL, apiKey: given.token, maxRetries: 0 });
const provider = createOpenAICompatible({ name: 'ours', baseURL, apiKey: given.token, includeUsage: true });

const messages = [{ role: 'user', content: 'Hello 😀' }];
const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const weather = tool({
  description: 'Of a city',
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `rain in ${city}`,
});

async function read(stream) {
  let text = '';
  for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? '';
  return text;
}

await run({
  async models() {
    const found = [];
    for await (const { id, object, created } of client.models.list()) found.push([id, object, typeof created]);
    const one = await client.models.retrieve('openai/echo');
    return { found, one: one.id, unknown: await refused(client.models.retrieve('nobody/nothing')) };
  },

  async create() {
    const { choices, usage, model } = await client.chat.completions.create({ model: 'openai/echo', messages });
    return { message: choices[0].message.content, finish: choices[0].finish_reason, usage, model };
  },

  async stream() {
    const options = { model: 'openai/echo', messages, stream: true, stream_options: { include_usage: true } };
    const chunks = [];
    for await (const chunk of await client.chat.completions.create(options)) chunks.push(chunk);
    return {
      text: chunks.map(chunk => chunk.choices[0]?.delta?.content ?? '').join(''),
      ids: new Set(chunks.map(chunk => chunk.id)).size,
      usage: chunks.at(-1).usage.total_tokens > 0,
      finish: chunks.map(chunk => chunk.choices[0]?.finish_reason).filter(Boolean),
    };
  },

  async tools() {
    const asked = [];
    const runner = client.chat.completions.runTools({
      model: 'openai/weather-js',
      messages,
      stream: true,
      tools: [
        {
          type: 'function',
          function: {
            name: 'weather',
            parameters,
            parse: JSON.parse,
            function: ({ city }) => {
              asked.push(city);
              return 'rain';
            },
          },
        },
      ],
    });
    return { said: await runner.finalContent(), asked };
  },

  async refusals() {
    const stranger = new OpenAI({ baseURL, apiKey: 'sk-wrong', maxRetries: 0 });
    const create = body => client.chat.completions.create({ model: 'openai/echo', messages, ...body });
    return {
      model: await refused(create({ model: 'nobody/nothing' })),
      key: await refused(stranger.chat.completions.create({ model: 'openai/echo', messages })),
      field: await refused(create({ messages: 'Hello' })),
      upstream: await refused(create({ model: 'openai/status-500' })),
    };
  },

  async failure() {
    const stream = await client.chat.completions.create({ model: 'openai/cut-after-3', messages, stream: true });
    let text = '';
    const error = await refused(
      (async () => {
        for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? '';
      })(),
    );
    return { text, error };
  },

  async abort() {
    const stream = await client.chat.completions.create({ model: 'openai/stall-after-3', messages, stream: true });
    for await (const chunk of stream) if (chunk.choices[0]?.delta?.content) break;
    stream.controller.abort();
  },

  async embeddings() {
    const { data } = await client.embeddings.create({ model: 'openai/embed', input: ['a', 'b'] });
    return data.map(({ index, embedding }) => [index, embedding.length, embedding.every(Number.isFinite)]);
  },

  async responses() {
    const whole = await client.responses.create({ model: 'openai/echo', input: 'Hello 😀' });
    const next = await client.responses.create({ model: 'openai/echo', input: 'More', previous_response_id: whole.id });
    let text = '';
    for await (const event of await client.responses.create({ model: 'openai/echo', input: 'Hello', stream: true })) {
      if (event.type === 'response.output_text.delta') text += event.delta;
    }
    return { whole: whole.output_text, next: next.output_text, text };
  },

  async 'sdk text'() {
    const { text, usage, finishReason, response } = await generateText({ model: provider('openai/echo'), messages });
    return { text, total: usage.totalTokens, finishReason, model: response.modelId };
  },

  async 'sdk stream'() {
    const result = streamText({ model: provider('deepseek/reasoning'), messages });
    await result.consumeStream();
    const [text, thought, usage, finishReason] = await Promise.all([
      result.text,
      result.reasoningText,
      result.usage,
      result.finishReason,
    ]);
    return { text: Boolean(text), thought: Boolean(thought), used: usage.outputTokens > 0, finishReason };
  },

  async 'sdk tools'() {
    const { text, steps } = await generateText({
      model: provider('openai/weather-sdk'),
      messages,
      tools: { weather },
      stopWhen: stepCountIs(3),
    });
    return { text, results: steps.flatMap(step => step.toolResults.map(result => result.output)), steps: steps.length };
  },

  async 'sdk object'() {
    const { output } = await generateText({
      model: provider('openai/json-sdk'),
      messages,
      output: Output.object({ schema: z.object({ city: z.string() }) }),
    });
    return output;
  },

  async 'sdk refusals'() {
    const ask = (model, options) => generateText({ model: provider(model), messages, maxRetries: 0, ...options });
    const wrong = createOpenAICompatible({ name: 'wrong', baseURL, apiKey: 'sk-wrong' });
    return {
      model: await refused(ask('nobody/nothing')),
      key: await refused(generateText({ model: wrong('openai/echo'), messages, maxRetries: 0 })),
      upstream: await refused(ask('openai/status-503')),
    };
  },

  async 'sdk failure'() {
    const errors = [];
    const result = streamText({
      model: provider('openai/cut-after-3'),
      messages,
      onError: ({ error }) => errors.push(error?.message ?? String(error)),
    });
    let text = '';
    for await (const part of result.fullStream) if (part.type === 'text-delta') text += part.text;
    return { text, errors };
  },

  async 'sdk abort'() {
    const controller = new AbortController();
    const parts = [];
    const result = streamText({
      model: provider('openai/stall-after-4'),
      messages,
      abortSignal: controller.signal,
    });
    for await (const part of result.fullStream) {
      parts.push(part.type);
      if (part.type === 'text-delta') controller.abort();
    }
    return parts.at(-1);
  },

  async 'sdk embeddings'() {
    const { embeddings } = await embedMany({ model: provider.textEmbeddingModel('openai/embed'), values: ['a', 'b'] });
    return embeddings.map(embedding => embedding.length);
  },
});
