// Comforts of the editor only: numbers that follow the text, a tab that indents, a preview that keeps up.
"use strict";

for (const editor of document.querySelectorAll(".editor")) {
  const text = editor.querySelector("textarea"), gutter = editor.querySelector(".gutter");
  const bad = new Set((gutter.dataset.bad || "").split(" ").filter(Boolean));
  let shown = 0;
  const number = () => {
    const lines = text.value.split("\n").length;
    if (lines === shown) return;
    shown = lines;
    text.rows = lines + 1;
    gutter.replaceChildren(...Array.from({ length: lines }, (_, index) => {
      const each = document.createElement("span");
      each.textContent = `${index + 1}\n`;
      if (bad.has(String(index + 1))) each.className = "bad";
      return each;
    }));
  };
  text.addEventListener("input", number);
  text.addEventListener("keydown", (event) => {
    // Escape lets the next Tab leave the editor, for those who go by keyboard.
    if (event.key === "Escape") { text.dataset.leave = "yes"; return; }
    if (event.key !== "Tab" || event.shiftKey || text.dataset.leave) { delete text.dataset.leave; return; }
    event.preventDefault();
    text.setRangeText("  ", text.selectionStart, text.selectionEnd, "end");
    text.dispatchEvent(new Event("input", { bubbles: true }));
  });
  number();
  // A problem's place: put the cursor on its line.
  const go = (line) => {
    const before = text.value.split("\n").slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    text.focus({ preventScroll: true });
    text.setSelectionRange(before, before);
    const height = text.scrollHeight / (shown + 1);
    editor.scrollTop = Math.max(0, (line - 4) * height);
    editor.scrollIntoView({ block: "center" });
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-line]");
    if (link) { event.preventDefault(); go(Number(link.dataset.line)); }
  });
  // What was typed and not saved is not lost by a slip.
  const first = text.defaultValue;
  let sent = false;
  text.form.addEventListener("submit", (event) => { sent = !event.submitter?.formTarget; });
  window.addEventListener("beforeunload", (event) => {
    if (!sent && (text.value !== first || text.form.dataset.unsaved)) event.preventDefault();
  });
  const again = text.form.querySelector("button[formtarget]");
  if (again) {
    let timer = 0;
    text.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => text.form.requestSubmit(again), 800); });
    text.form.requestSubmit(again);
  }
}
