// The ways in which a page can have the browser ask a URL for something. Each settles when the page knows that its attempt is
// over, with what the page has come to know.
const prompt = JSON.stringify({ model: "sandbox", messages: [{ role: "user", content: "Hello!" }] });

const ask = async (url, options) => {
  try {
    const answer = await fetch(url, { method: "POST", body: prompt, ...options });
    return answer.type === "opaque" ? "opaque" : `${answer.status} ${await answer.text()}`;
  } catch (problem) {
    return problem.name;
  }
};

const add = (name, properties, parent = document.body) => {
  const made = Object.assign(document.createElement(name), properties);
  parent.append(made);
  return made;
};

// What becomes of an element that loads something by itself.
const load = (name, properties, parent = document.body) =>
  new Promise((settle) => {
    const tell = (event) => settle(event.type);
    add(name, { ...properties, onload: tell, onerror: tell, onloadeddata: tell }, parent);
  });

const post = (url, target) => {
  // As text/plain, a field is sent as its name, "=" and its value. Together they are JSON, the "=" inside one of its strings.
  const form = add("form", { action: url, method: "POST", enctype: "text/plain", target });
  add("input", { name: `${prompt.slice(0, -1)},"x":"`, value: '"}', type: "hidden" }, form);
  form.submit();
};

const told = (add) =>
  new Promise((settle) => {
    addEventListener("message", (event) => settle(event.data), { once: true });
    add();
  });

// Asks by itself, and sends what became of it to `tell`, which is code.
const asking = (url, tell) =>
  `fetch(${JSON.stringify(url)}, { method: "POST", body: ${JSON.stringify(prompt)} })
    .then((answer) => String(answer.status), (problem) => problem.name).then(${tell})`;

const asking_page = (url) => `<script>${asking(url, '(outcome) => parent.postMessage(outcome, "*")')}</script>`;

export const attempts = {
  simple_fetch: (url) => ask(url, { headers: { "Content-Type": "text/plain" } }),
  preflighted_fetch: (url) => ask(url, { headers: { "Content-Type": "application/json", Authorization: "Bearer x" } }),
  no_cors_fetch: (url) => ask(url, { mode: "no-cors" }),
  no_cors_fetch_without_referrer: (url) => ask(url, { mode: "no-cors", referrerPolicy: "no-referrer" }),
  fetch_that_outlives_the_page: (url) => ask(url, { keepalive: true }),
  fetch_of_a_redirect: (url) => ask(`/redirect?${url}`),
  get: (url) => ask(url, { method: "GET", body: undefined }),
  no_cors_get: (url) => ask(url, { method: "GET", body: undefined, mode: "no-cors" }),
  xhr: (url) =>
    new Promise((settle) => {
      const request = new XMLHttpRequest();
      request.onload = () => settle(`${request.status} ${request.responseText}`);
      request.onerror = () => settle("error");
      request.open("POST", url);
      request.send(prompt);
    }),
  worker: (url) => {
    const worker = new Worker(URL.createObjectURL(new Blob([asking(url, "postMessage")])));
    return new Promise((settle) => (worker.onmessage = (event) => settle(event.data)));
  },
  frame_with_the_pages_origin: (url) => told(() => add("iframe", { srcdoc: asking_page(url) })),
  image: (url) => load("img", { src: url }),
  image_of_a_redirect: (url) => load("img", { src: `/redirect?${url}` }),
  script: (url) => load("script", { src: url }),
  module: (url) => load("script", { src: url, type: "module" }),
  stylesheet: (url) => load("link", { href: url, rel: "stylesheet" }, document.head),
  imported_stylesheet: (url) => load("style", { textContent: `@import "${url}";` }, document.head),
  prefetch: (url) => load("link", { href: url, rel: "prefetch" }, document.head),
  icon: async (url) => add("link", { href: url, rel: "icon" }, document.head).rel,
  manifest: async (url) => add("link", { href: url, rel: "manifest" }, document.head).rel,
  font: (url) =>
    new FontFace("any", `url(${url})`).load().then(
      () => "load",
      (problem) => problem.name,
    ),
  video: (url) => load("video", { src: url }),
  object: (url) => load("object", { data: url }),
  frame: (url) => load("iframe", { src: url }),
  form_into_a_frame: (url) => {
    const loaded = load("iframe", { name: "inside" });
    post(url, "inside");
    return loaded;
  },
  event_source: (url) =>
    new Promise((settle) => {
      const source = new EventSource(url);
      source.onopen = source.onerror = (event) => {
        source.close();
        settle(event.type);
      };
    }),
  web_socket: (url) =>
    new Promise((settle) => {
      const socket = new WebSocket(url.replace("http", "ws"));
      socket.onopen = socket.onerror = (event) => settle(event.type);
    }),
  beacon: async (url) => String(navigator.sendBeacon(url, prompt)),
  report: (url) => load("iframe", { src: `/report?${url}` }),
  // The body is the word PING.
  ping: async (url) => {
    add("a", { href: "#here", ping: url }).click();
    return location.hash;
  },
  speculation: async (url) => {
    const rules = { prefetch: [{ source: "list", urls: [url], eagerness: "immediate" }] };
    return add("script", { type: "speculationrules", textContent: JSON.stringify(rules) }, document.head).type;
  },
  // These two have an origin of their own, which is "null".
  sandboxed_frame: (url) => told(() => add("iframe", { sandbox: "allow-scripts", srcdoc: asking_page(url) })),
  data_url: (url) => told(() => add("iframe", { src: `data:text/html,${encodeURIComponent(asking_page(url))}` })),
};

// The ways to leave the page for the URL.
export const departures = {
  location: (url) => location.assign(url),
  link: (url) => add("a", { href: url }).click(),
  link_without_referrer: (url) => add("a", { href: url, rel: "noreferrer" }).click(),
  form: (url) => post(url, "_self"),
  refresh: (url) => add("meta", { httpEquiv: "refresh", content: `0; url=${url}` }, document.head),
  redirect: (url) => location.assign(`/redirect?${url}`),
};
