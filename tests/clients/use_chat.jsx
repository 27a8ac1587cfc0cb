// The smallest page of useChat: `window.mount` shows a chat, and `window.chat` is what the hook gives.
import { Chat, useChat } from '@ai-sdk/react';
import { DefaultChatTransport } from 'ai';
import { createElement } from 'react';
import { createRoot } from 'react-dom/client';

const textOf = message => message.parts.filter(part => part.type === 'text').map(part => part.text).join('|');

function Page({ options }) {
  const chat = useChat(options);
  window.chat = chat;
  window.shown = chat.messages.map(message => [message.role, textOf(message)]);
  const lines = chat.messages.map(message =>
    createElement('p', { key: message.id, className: message.role }, textOf(message)),
  );
  return createElement('div', { id: 'talk', 'data-status': chat.status }, ...lines, chat.error?.message);
}

// `outside` makes the chat itself and hands it to the hook; else the hook makes it.
window.mount = ({ id, messages, resume = true, outside = false, body = {} }) => {
  const transport = new DefaultChatTransport({ api: '/ai/ui/chat', body });
  window.finished = [];
  const onFinish = ({ isAbort, isDisconnect, isError }) => window.finished.push({ isAbort, isDisconnect, isError });
  const made = { id, messages, transport, onFinish };
  const options = outside ? { chat: new Chat(made), resume } : { ...made, resume };
  const place = document.body.appendChild(document.createElement('div'));
  createRoot(place).render(createElement(Page, { options }));
};
