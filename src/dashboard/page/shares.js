// The dialog that changes a share. The token is sent only to this server, in a header.

import { setText } from "./numbers.js";

export class ShareDialog {
  constructor(ask, changed) {
    const find = (id) => document.getElementById(id);
    [this.dialog, this.form, this.rule] = [find("share"), find("share-form"), find("share-rule")];
    [this.value, this.words, this.error] = [find("share-value"), find("share-words"), find("share-error")];
    this.ask = ask;
    this.changed = changed;
    find("share-cancel").addEventListener("click", () => this.dialog.close());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.set();
    });
  }

  open(share) {
    this.share = share;
    setText(this.rule, share.rule);
    this.value.value = parseFloat(share.share);
    setText(this.words, `Now ${share.share}. In the settings: ${share.configured}. The new share is in use until the server stops.`);
    setText(this.error, "");
    this.dialog.showModal();
    this.value.select();
  }

  async set() {
    const body = JSON.stringify({ [this.share.rule]: `${Number(this.value.value)}%` });
    try {
      const response = await this.ask("shares", { method: "PUT", body, headers: { "Content-Type": "application/json" } });
      if (!response.ok) {
        setText(this.error, (await response.text()).trim());
        return;
      }
      const { workers } = await response.json();
      this.dialog.close();
      this.changed(workers.took < workers.of ? `${workers.took} of ${workers.of} workers use the new share` : "");
    } catch (error) {
      setText(this.error, `The server cannot be reached: ${error.message}`);
    }
  }
}
