// Keeps the cluster page true while it is looked at, and sends the three changes; without it the page still reads.
const REFRESH_MS = 1500;
const PATIENCE_MS = 5000;

const freshness = document.querySelector("[data-freshness]");
const silence = document.querySelector("[data-silence]");
const outcome = document.querySelector("[data-outcome]");
const form = document.querySelector("[data-register]");
let seenAt = new Date();

const clock = (moment) => moment.toLocaleTimeString();
const say = (place, text, good = false) => {
  place.textContent = text;
  place.classList.toggle("good", good);
  place.hidden = !text;
};

const showButtons = () => {
  for (const button of document.querySelectorAll("[data-change]")) button.hidden = false;
};

// The node renders the page; this takes over the parts of a fresh copy that differ from what is shown.
const take = (html) => {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  for (const part of fresh.querySelectorAll("[data-live]")) {
    const shown = document.querySelector(`[data-live="${part.dataset.live}"]`);
    if (!shown) return location.reload(); // a part that this copy of the page does not have
    if (shown.dataset.source === undefined) shown.dataset.source = shown.innerHTML;
    if (shown.dataset.source === part.innerHTML) continue;
    shown.dataset.source = part.innerHTML;
    shown.className = part.className;
    shown.replaceChildren(...part.childNodes);
  }
  showButtons();
};

const refresh = async () => {
  try {
    const answer = await fetch(location.pathname, { signal: AbortSignal.timeout(PATIENCE_MS), cache: "no-store" });
    if (!answer.ok) throw new Error(`it answers ${answer.status}`);
    take(await answer.text());
    seenAt = new Date();
    say(silence, "");
  } catch (error) {
    const reason = error.message.startsWith("it answers") ? error.message : "it does not answer";
    say(silence, `This node cannot be asked (${reason}). What you see is from ${clock(seenAt)}; the page tries again.`);
  }
  say(freshness, `· ${clock(seenAt)}`);
};

const change = async (what, body) => {
  say(outcome, "Working…", true);
  try {
    const answer = await fetch(`/api/cluster/${what}`, { method: "POST", body: JSON.stringify(body) });
    const told = await answer.json();
    const done = { registered: "is a member now.", deregistered: "is no member any more.", stop_sent: "was told to stop." };
    say(outcome, answer.ok ? `${told.node._id} ${done[told.status]}` : told.detail, answer.ok);
    await refresh();
    return answer.ok;
  } catch {
    say(outcome, "The node did not answer. Look at the list above before you try again.");
    return false;
  }
};

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-change]");
  if (button && window.confirm(button.dataset.question)) {
    change(button.dataset.change, { [button.dataset.field]: button.dataset.node });
  }
});

if (form) {
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    if (await change("register", { url: form.elements.url.value.trim() })) form.reset();
    button.disabled = false;
  });
}

const keepTrue = async () => {
  if (!document.hidden) await refresh();
  setTimeout(keepTrue, REFRESH_MS);
};
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) refresh();
});
showButtons();
setTimeout(keepTrue, REFRESH_MS);
