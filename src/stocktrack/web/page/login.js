// The way in: name and password. A link from the server's console may fill the form in, and never more than that.

import { html, useEffect, useRef, useState } from "./html.js";
import { logIn } from "./session.js";
import { Logo } from "./logo.js";

/** What the address says after its `#` (`#user=demo&password=…`), which is then taken out of the address. */
function prefilled() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (given.has("user") || given.has("password")) history.replaceState(null, "", location.pathname + location.search);
  return { user: given.get("user") ?? "", password: given.get("password") ?? "" };
}

const given = prefilled();

export function Login() {
  const [error, setError] = useState("");
  const [isBusy, setBusy] = useState(false);
  const name = useRef(null);
  const password = useRef(null);
  const submit = useRef(null);

  useEffect(() => {
    (!name.current.value ? name : !password.current.value ? password : submit).current.focus();
  }, []);

  const tryIt = async (event) => {
    event.preventDefault();
    setBusy(true);
    setError("");
    try {
      await logIn(name.current.value.trim(), password.current.value);
    } catch (failure) {
      // It stands in an alert, which a screen reader reads by itself.
      setError(failure.message);
      setBusy(false);
      password.current.select();
    }
  };

  return html`
    <main class="login">
      <form onSubmit=${tryIt} aria-labelledby="login-title">
        <${Logo} />
        <h1 id="login-title">Log in to your stocks</h1>
        <label for="login-name">Name</label>
        <input id="login-name" ref=${name} name="username" autocomplete="username" autocapitalize="none" spellcheck="false" required maxlength="64" defaultValue=${given.user} />
        <label for="login-password">Password</label>
        <input id="login-password" ref=${password} name="password" type="password" autocomplete="current-password" required maxlength="1024" defaultValue=${given.password} />
        <p class="error" role="alert">${error}</p>
        <button ref=${submit} class="primary" type="submit" disabled=${isBusy}>${isBusy ? "Logging in …" : "Log in"}</button>
        <p class="hint">No account yet? Whoever runs the server adds one with <code>stocktrack users add NAME</code>.</p>
      </form>
    </main>
  `;
}
