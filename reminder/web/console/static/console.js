// Comforts only: every page works without this file.
"use strict";

// Ask before what cannot be taken back: <form data-ask="…">.
document.addEventListener("submit", (event) => {
  const asked = event.submitter?.dataset.ask ?? event.target.dataset.ask;
  if (asked && !window.confirm(asked)) event.preventDefault();
});

// Count down to an instant: <time data-until="2026-06-30T09:00:00+08:00">.
function countDown() {
  for (const each of document.querySelectorAll("time[data-until]")) {
    const left = Math.round((new Date(each.dataset.until) - Date.now()) / 1000);
    if (left <= 0) { each.textContent = "即将发出"; continue; }
    const days = Math.floor(left / 86400), hours = Math.floor(left % 86400 / 3600), minutes = Math.floor(left % 3600 / 60);
    each.textContent = days ? `还有 ${days} 天 ${hours} 小时` : hours ? `还有 ${hours} 小时 ${minutes} 分` : `还有 ${minutes} 分 ${left % 60} 秒`;
  }
}
if (document.querySelector("time[data-until]")) { countDown(); setInterval(countDown, 1000); }

// Send a filter as soon as it is chosen: <form data-at-once>.
for (const form of document.querySelectorAll("form[data-at-once]")) {
  form.addEventListener("change", () => form.requestSubmit());
}
