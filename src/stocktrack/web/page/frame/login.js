// The login: name and password. A link from the server's console may fill them in, but does not log in by itself.

import { html, useEffect, useRef, useState } from "../base/html.js";
import { logIn } from "../session/session.js";
import { Logo } from "../base/logo.js";

/** What the address says after its `#` (`#user=demo&password=…`), which is then taken out of the address. */
export function prefilled(address, past) {
  const said = new URLSearchParams(address.hash.slice(1));
  if (said.has("user") || said.has("password")) past.replaceState(null, "", address.pathname + address.search);
  return { user: said.get("user") ?? "", password: said.get("password") ?? "" };
}

const given = prefilled(location, history);

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
      // In an alert, which a screen reader reads by itself.
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
