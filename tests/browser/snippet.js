// The simplest front-end there is, as tutorials have it: it splits each read by itself and keeps nothing between reads,
// and who asks is the session cookie's business.
async function ask(message) {
  const answer = await fetch('/ai/chat/stream', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ message }),
  });
  const body = answer.body.getReader();
  const utf8 = new TextDecoder();
  for (let read = await body.read(); !read.done; read = await body.read()) {
    for (const piece of utf8.decode(read.value).split('\n\n')) {
      if (!piece.startsWith('data: ')) continue;
      const event = JSON.parse(piece.substring('data: '.length));
      if (!event.done) document.getElementById('output').textContent += event.text;
    }
  }
}
