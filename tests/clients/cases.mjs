// Runs the cases of a file side by side and prints one line of JSON: by name what each found, or what it threw.
// What the test has prepared comes by stdin.
import { readFileSync } from 'node:fs';

export const given = JSON.parse(readFileSync(0, 'utf8'));

const PATIENCE = 20_000;

export async function run(cases) {
  const found = {};
  await Promise.all(
    Object.entries(cases).map(async ([name, run]) => {
      try {
        found[name] = { found: (await within(run())) ?? null };
      } catch (error) {
        found[name] = { threw: `${error?.name}: ${error?.message}` };
      }
    }),
  );
  process.stdout.write(`${JSON.stringify(found)}\n`, () => process.exit(0));
}

// What was thrown, as far as it says something.
export async function refused(promise) {
  try {
    await promise;
  } catch (error) {
    const { name, message, status, statusCode, code, param, type, isRetryable } = error;
    return { name, message, status: status ?? statusCode, code, param, type, isRetryable };
  }
  return null;
}

export async function until(holds, what) {
  const end = Date.now() + 10_000;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`not within 10 s: ${what ?? holds}`);
    await new Promise(done => setTimeout(done, 10));
  }
}

export function post(path, body, headers = {}) {
  return fetch(given.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${given.token}`, ...headers },
    body: JSON.stringify(body),
  });
}

async function within(promise) {
  let timer;
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error(`not within ${PATIENCE} ms`)), PATIENCE);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
