// A field of a form with its label, a hint, and what is wrong with it beside it.

import { html } from "../base/html.js";

/**
 * A hint that is to come is "" until then: it has its place, so that nothing moves away under somebody who is about to
 * click. `input` is {tag, children, …} of an input or a select; `wrong` is {field, message} of the whole form.
 */
export function Field({ id, name, label, wrong, hint, input }) {
  const { tag, children, ...attributes } = input;
  const isWrong = wrong.field === name && wrong.message !== "";
  const described = [hint && `${id}-hint`, isWrong && `${id}-error`].filter(Boolean).join(" ");
  return html`
    <div class="field">
      <label for=${id}>${label}</label>
      <${tag} id=${id} name=${name} aria-invalid=${isWrong ? "true" : undefined} aria-describedby=${described || undefined} ...${attributes}>${children}<//>
      ${hint !== undefined && html`<span id=${`${id}-hint`} class="quiet-note hint">${hint}</span>`}
      <${ErrorOf} id=${id} name=${name} wrong=${wrong} />
    </div>`;
}

/** What is wrong with the field of that name, if it is the one. */
export function ErrorOf({ id, name, wrong }) {
  return html`<p id=${`${id}-error`} class="field-error" role="alert" dir="auto">${wrong.field === name ? wrong.message : ""}</p>`;
}
