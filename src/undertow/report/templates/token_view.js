"use strict";
// The token view: opens one packed page of rows at a time (token_pages.py has the format).
(() => {
  const DIVERGENT = 1, UNDECIDED = 2, END = 4;
  const END_OF_TURN = "⏎";

  const unpack = async (element) => {
    const bytes = Uint8Array.from(atob(element.textContent.trim()), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).arrayBuffer();
  };
  const asText = (bytes) => new TextDecoder().decode(bytes);
  const quoted = (text) => (text === END_OF_TURN ? "end of turn" : JSON.stringify(text));
  const made = (tag, text = "", className = "") => {
    const element = document.createElement(tag);
    element.textContent = text;
    if (className) element.className = className;
    return element;
  };

  const read = (buffer, nTeachers) => {
    let at = 0;
    const take = (Kind, length) => {
      const array = new Kind(buffer, at, length);
      at += array.byteLength;
      return array;
    };
    const [nRows, nTokens] = take(Uint32Array, 2);
    return {
      nRows,
      nTokens,
      offsets: take(Uint32Array, nRows + 1),
      tokens: take(Uint32Array, nTokens),
      choices: take(Uint32Array, nTeachers * nTokens),
      margins: take(Uint16Array, nTeachers * nTokens),
      flags: take(Uint8Array, nTokens),
      prompts: JSON.parse(asText(new Uint8Array(buffer, at))),
    };
  };

  const start = async (view) => {
    const find = (selector) => view.querySelector(selector);
    const list = find(".rows"), panel = find(".panel"), jump = find("input");
    const packed = [...view.querySelectorAll("script[data-page]")];
    const head = JSON.parse(asText(await unpack(find("script[data-head]"))));
    const total = head.divergent.length;
    let page = null, number = -1, wanted = -1;

    const markOf = (flags, text) => {
      if (flags & END) return made("mark", text, flags & DIVERGENT ? "end divergence" : "end");
      if (flags & DIVERGENT) return made("mark", text, "divergence");
      return flags & UNDECIDED ? made("mark", text, "undecided") : made("span", text);
    };
    const shownRow = (row) => {
      const line = made("p", "", "tokens");
      for (let i = page.offsets[row]; i < page.offsets[row + 1]; i++) {
        const token = markOf(page.flags[i], head.texts[page.tokens[i]]);
        token.dataset.token = i;
        token.tabIndex = -1;
        line.append(token);
      }
      const item = made("li");
      item.append(made("p", page.prompts[row], "prompt"), line);
      return item;
    };
    const tokenAt = (i) => list.querySelector(`[data-token="${i}"]`);

    // Shows the page that holds a row; false where another page was asked for meanwhile.
    const open = async (row) => {
      wanted = Math.floor(row / head.perPage);
      if (wanted === number) return true;
      const asked = wanted;
      const buffer = await unpack(packed[asked]);
      if (asked !== wanted) return false;
      page = read(buffer, head.teachers.length);
      number = asked;
      const first = number * head.perPage;
      list.replaceChildren(...Array.from({ length: page.nRows }, (_, row) => shownRow(row)));
      list.style.counterReset = `row ${first}`;
      const divergent = page.flags.findIndex((flags) => flags & DIVERGENT);
      const entry = tokenAt(Math.max(divergent, 0));
      if (entry) entry.tabIndex = 0;
      find(".where").textContent =
        `rows ${(first + 1).toLocaleString("en")} to ${(first + page.nRows).toLocaleString("en")}` +
        ` of ${total.toLocaleString("en")}`;
      jump.value = first + 1;
      find("[data-go=first]").disabled = find("[data-go=back]").disabled = number === 0;
      find("[data-go=on]").disabled = find("[data-go=last]").disabled = number === packed.length - 1;
      tell(-1);
      return true;
    };

    const rowOf = (i) => page.offsets.findLastIndex((start) => start <= i);
    const tell = (i) => {
      if (i < 0) {
        panel.replaceChildren(made("p", panel.dataset.hint, "note"));
        return;
      }
      const row = rowOf(i), flags = page.flags[i], token = page.tokens[i];
      const kind = flags & DIVERGENT ? "divergence token" : flags & UNDECIDED ? "undecided" : "no divergence";
      const title = made("p", `Row ${number * head.perPage + row + 1}, token ` +
        `${i - page.offsets[row] + 1} of ${page.offsets[row + 1] - page.offsets[row]}: `);
      title.append(made("code", quoted(head.texts[token])), ` ${kind}`);
      const answers = head.teachers.map((teacher, t) => {
        const at = t * page.nTokens + i, choice = page.choices[at];
        return { teacher, t, choice, margin: page.margins[at] / 100 };
      });
      // The one that wrote the row first, then those that would have written something else.
      answers.sort((a, b) => (a.t && b.t ? !!b.choice - !!a.choice || a.t - b.t : a.t - b.t));
      const body = made("tbody");
      for (const { teacher, t, choice, margin } of answers) {
        const line = made("tr", "", choice ? "differs" : "");
        const name = made("th", teacher);
        name.scope = "row";
        if (t === 0) name.append(made("small", "wrote the row"));
        const cell = made("td");
        cell.append(made("code", quoted(head.texts[choice ? choice - 1 : token])));
        const lead = made("td", margin.toFixed(2));
        if (margin < head.tolerance) lead.append(made("small", "near tie"));
        line.append(name, cell, lead);
        body.append(line);
      }
      const top = made("tr");
      for (const text of ["teacher", "would write", "margin, logits"]) {
        const cell = made("th", text);
        cell.scope = "col";
        top.append(cell);
      }
      const table = made("table"), thead = made("thead");
      thead.append(top);
      table.append(thead, body);
      panel.replaceChildren(title, table);
    };

    const focus = (i) => {
      const token = tokenAt(i);
      if (!token) return;
      for (const old of list.querySelectorAll('[tabindex="0"]')) old.tabIndex = -1;
      token.tabIndex = 0;
      token.focus();
    };
    const divergentIn = (row, step) => {
      const places = [];
      for (let i = page.offsets[row]; i < page.offsets[row + 1]; i++)
        if (page.flags[i] & DIVERGENT) places.push(i);
      return step > 0 ? places[0] : places.at(-1);
    };
    // To the first or last divergence token of the nearest row in a direction that has one.
    const toRow = async (row, step, end) => {
      const first = number * head.perPage;
      for (let other = first + row + step; other >= 0 && other < total; other += step) {
        if (!head.divergent[other]) continue;
        if (await open(other)) focus(divergentIn(other - number * head.perPage, end));
        return;
      }
    };
    const toDivergence = (i, step) => {
      const row = rowOf(i);
      for (let k = i + step; k >= page.offsets[row] && k < page.offsets[row + 1]; k += step)
        if (page.flags[k] & DIVERGENT) return focus(k);
      return toRow(row, step, step);
    };

    list.addEventListener("keydown", (event) => {
      const i = Number(event.target.dataset.token), back = /Left|Up/.test(event.key);
      if (Number.isNaN(i) || !event.key.startsWith("Arrow") || event.ctrlKey || event.altKey) return;
      event.preventDefault();
      const step = back ? -1 : 1;
      if (/Up|Down/.test(event.key)) toRow(rowOf(i), step, 1);
      else if (event.shiftKey) focus(i + step);
      else toDivergence(i, step);
    });
    list.addEventListener("focusin", ({ target }) => tell(Number(target.dataset.token ?? -1)));
    list.addEventListener("mouseover", ({ target }) => {
      if (target.dataset.token) tell(Number(target.dataset.token));
    });
    list.addEventListener("click", ({ target }) => {
      if (target.dataset.token) focus(Number(target.dataset.token));
    });
    const goTo = { first: () => 0, back: () => (number - 1) * head.perPage,
      on: () => (number + 1) * head.perPage, last: () => total - 1 };
    for (const button of view.querySelectorAll("[data-go]"))
      button.addEventListener("click", () => open(goTo[button.dataset.go]()));
    find("form").addEventListener("submit", async (event) => {
      event.preventDefault();
      const row = Math.min(Math.max(Math.trunc(Number(jump.value)) || 1, 1), total) - 1;
      if (!(await open(row))) return;
      const inPage = row - number * head.perPage;
      jump.value = row + 1;
      list.children[inPage].scrollIntoView({ block: "center" });
      focus(divergentIn(inPage, 1) ?? page.offsets[inPage]);
    });

    await open(0);
    view.classList.add("live");
  };

  for (const view of document.querySelectorAll(".token-view"))
    start(view).catch((error) => {
      view.querySelector(".failed").textContent = `The view of all rows does not open here: ${error}`;
    });
})();
