// The way to the server: the key in a header, lines of a stream as they come.

const KEY = "ponder-key";
export const key = { get: () => sessionStorage.getItem(KEY) ?? "", set: (value) => sessionStorage.setItem(KEY, value) };

export async function call(path, options = {}) {
  const headers = { ...(key.get() && { Authorization: `Bearer ${key.get()}` }), ...options.headers };
  const response = await fetch(path, { ...options, headers });
  if (!response.ok) throw new Error(await reason(response));
  return response;
}

export const get = async (path) => (await call(path)).json();

async function reason(response) {
  const body = await response.json().catch(() => null);
  return body?.error?.message ?? `the server answered ${response.status}`;
}

// The objects of a stream of server-sent events.
export async function* events(path, options) {
  const reader = (await call(path, options)).body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const data = block.split("\n").filter((line) => line.startsWith("data: ")).map((line) => line.slice(6)).join("\n");
      if (data && data !== "[DONE]") yield JSON.parse(data);
    }
  }
}
