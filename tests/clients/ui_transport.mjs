// The AI SDK's own chat and transport, without a page.
import { Chat } from '@ai-sdk/react';
import { DefaultChatTransport, readUIMessageStream } from 'ai';
import { given, post, run, until } from './cases.mjs';

const API = `${given.url}/ai/ui/chat`;

function transport(body = {}) {
  return new DefaultChatTransport({ api: API, headers: { authorization: `Bearer ${given.token}` }, body });
}

function newChat(body = {}, id) {
  const seen = { errors: [], finished: [] };
  const chat = new Chat({
    id,
    transport: transport(body),
    onError: error => seen.errors.push(`${error.name}: ${error.message}`),
    onFinish: ({ isAbort, isDisconnect, isError, finishReason }) =>
      seen.finished.push({ isAbort, isDisconnect, isError, finishReason }),
  });
  return Object.assign(chat, { seen });
}

const textOf = message => message.parts.filter(part => part.type === 'text').map(part => part.text).join('');
const shown = chat => chat.messages.map(message => [message.role, textOf(message)]);
const stop = chat => post(`/ai/generations/${chat.lastMessage.metadata.generationId}/stop`);

// A chat whose answer goes no further than so much until it is stopped.
async function half() {
  const chat = newChat({ model: 'openai/stall-after-3' });
  const sending = chat.sendMessage({ text: 'Count' });
  await until(() => chat.lastMessage?.role === 'assistant' && textOf(chat.lastMessage) === '1 2 3 ');
  return { chat, sending };
}

async function stored(chat) {
  const id = chat.messages.find(message => message.metadata?.conversationId).metadata.conversationId;
  const headers = { authorization: `Bearer ${given.token}` };
  const { items } = await (await fetch(`${given.url}/conversations/${id}/messages`, { headers })).json();
  return items.map(({ role, content, status }) => [role, content, status]);
}

await run({
  async talk() {
    const chat = newChat();
    await chat.sendMessage({ text: 'One 😀' });
    await chat.sendMessage({ text: 'Two' });
    const { parts, metadata } = chat.lastMessage;
    return {
      shown: shown(chat),
      stored: await stored(chat),
      status: chat.status,
      seen: chat.seen,
      parts: parts.map(({ type, state }) => [type, state]),
      metadata,
    };
  },

  async regenerate() {
    const chat = newChat();
    await chat.sendMessage({ text: 'One' });
    const [, first] = chat.messages;
    await chat.sendMessage({ text: 'Two' });
    await chat.regenerate();
    await chat.regenerate({ messageId: first.id });
    return { shown: shown(chat), stored: await stored(chat), another: chat.lastMessage.id !== first.id };
  },

  async edit() {
    const chat = newChat();
    await chat.sendMessage({ text: 'One' });
    await chat.sendMessage({ text: 'Two' });
    await chat.sendMessage({ text: 'Else', messageId: chat.messages[2].id });
    return { shown: shown(chat), stored: await stored(chat) };
  },

  async thoughts() {
    const chat = newChat({ model: 'deepseek/reasoning' });
    await chat.sendMessage({ text: 'Think' });
    return chat.lastMessage.parts.map(({ type, state, text }) => [type, state, Boolean(text)]);
  },

  async length() {
    const chat = newChat({ model: 'openai/length' });
    await chat.sendMessage({ text: 'Write' });
    return chat.seen.finished;
  },

  async cut() {
    const chat = newChat({ model: 'openai/cut-after-3' });
    await chat.sendMessage({ text: 'Count to me' });
    return { status: chat.status, seen: chat.seen, shown: shown(chat), metadata: chat.lastMessage.metadata };
  },

  async refusal() {
    const chat = newChat({ model: 'nobody/nothing' });
    await chat.sendMessage({ text: 'Hello' });
    const failed = { status: chat.status, seen: structuredClone(chat.seen) };
    const again = newChat({}, chat.id);
    again.messages = chat.messages;
    await again.regenerate();
    return { ...failed, again: shown(again) };
  },

  async stranger() {
    const chat = new Chat({ transport: new DefaultChatTransport({ api: API }), onError: () => {} });
    await chat.sendMessage({ text: 'Hello' });
    return chat.error.message;
  },

  async stop() {
    const { chat, sending } = await half();
    const { status } = await stop(chat);
    await sending;
    const [, [, content, ended]] = await stored(chat);
    const same = textOf(chat.lastMessage) === content;
    return { status, chat: chat.status, seen: chat.seen, told: chat.lastMessage.metadata.status, same, ended };
  },

  async leave() {
    const { chat, sending } = await half();
    await chat.stop();
    await sending;
    const [, [, , left]] = await stored(chat);
    const resuming = chat.resumeStream();
    await until(() => chat.status === 'streaming');
    await stop(chat);
    await resuming;
    return { left, shown: shown(chat), stored: await stored(chat), seen: chat.seen };
  },

  async resume() {
    const { chat, sending } = await half();
    const fresh = newChat({}, chat.id);
    const resuming = fresh.resumeStream();
    await until(() => fresh.lastMessage && textOf(fresh.lastMessage) === textOf(chat.lastMessage));
    await stop(chat);
    await Promise.all([sending, resuming]);
    const same = JSON.stringify(fresh.lastMessage) === JSON.stringify(chat.lastMessage);
    return { shown: shown(fresh), same, status: fresh.status, seen: fresh.seen };
  },

  async nothing() {
    const chat = newChat();
    await chat.resumeStream();
    return { status: chat.status, seen: chat.seen, shown: shown(chat) };
  },

  async busy() {
    const { chat, sending } = await half();
    const other = newChat({}, chat.id);
    await other.sendMessage({ text: 'Hello' });
    await stop(chat);
    await sending;
    return other.seen.errors;
  },

  async read() {
    const stream = await transport().sendMessages({
      chatId: 'read',
      trigger: 'submit-message',
      messages: [{ id: '1', role: 'user', parts: [{ type: 'text', text: 'Hello' }] }],
    });
    let last;
    for await (const message of readUIMessageStream({ stream })) last = message;
    return [last.role, textOf(last)];
  },

  async file() {
    const chat = newChat({ model: 'openai/gpt-5' });
    const url = `data:image/png;base64,${given.picture}`;
    await chat.sendMessage({ text: 'What is this?', files: [{ type: 'file', mediaType: 'image/png', filename: 'a.png', url }] });
    return { shown: shown(chat), seen: chat.seen };
  },

  async sources() {
    // The stream of an answer from documents, which the test has written with the service's own encoder.
    const answering = new DefaultChatTransport({
      api: API,
      fetch: async () => new Response(given.answered, { headers: { 'content-type': 'text/event-stream' } }),
    });
    const chat = new Chat({ transport: answering });
    await chat.sendMessage({ text: 'What does it say?' });
    return { parts: chat.lastMessage.parts, metadata: chat.lastMessage.metadata, status: chat.status };
  },
});
