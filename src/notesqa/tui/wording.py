"""Every word of the interface, in Chinese and in English."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.dom import DOMNode

# key: (中文, English)
_WORDS: dict[str, tuple[str, str]] = {
    # places
    "ask": ("提问", "Ask"),
    "search": ("检索", "Search"),
    "read": ("笔记", "Notes"),
    "history": ("历史", "History"),
    "settings": ("设置", "Settings"),
    # header
    "opening": ("正在打开…", "opening…"),
    "not_opened": ("打不开", "not opened"),
    "notes_count": ("{n} 篇", "{n} note{s}"),
    "commit": ("提交 {n}", "commit {n}"),
    "no_index": ("尚未建立索引", "no index yet"),
    "pending": ("{n} 个文件待收录", "{n} file{s} waiting"),
    "extractive": ("摘录", "extractive"),
    # asking
    "question_hint": ("问你的笔记", "Ask your notes"),
    "question_example": ("问你的笔记，例如：{example}", "Ask your notes, e.g. {example}"),
    "question_next": ("接着问；{key} 开始新对话", "Ask on; {key} begins a new conversation"),
    "searching": ("正在检索…", "searching…"),
    "writing": ("正在回答…  Esc 停止", "writing…  Esc stops"),
    "loading_model": ("正在装载模型…", "loading the model…"),
    "stopped": ("已停止", "stopped"),
    "refused": ("笔记里没有说", "the notes do not say"),
    "nearest": ("没有把握，下面是最接近的原文", "not sure; these are the nearest words"),
    "alternative": (
        "以上多有存疑，直接摘录笔记如下",
        "much of that is doubtful; in the notes' own words",
    ),
    "stopped_early": (
        "没有写成就停了，直接摘录笔记如下",
        "stopped before anything was said; in the notes' own words",
    ),
    "citations": ("引用", "Citations"),
    "at_line": ("第 {n} 行", "line {n}"),
    "nearby": ("最接近的段落", "Nearest passages"),
    "unsupported": ("引文没有这样说", "not borne out by what it cites"),
    "changed_note": ("笔记已改动", "the note has changed"),
    "gone_note": ("笔记已移除", "the note is gone"),
    "searched_as": ("按此检索：{text}", "searched as: {text}"),
    "search_literally": ("按原话检索", "search it as typed"),
    "folded": ("…共 {n} 字", "… {n} characters in all"),
    "seconds": ("{n} 秒", "{n} s"),
    "first_wait": ("正在装载索引，稍候即答", "loading the index; the answer follows"),
    "empty_ask": ("收到 {n} 篇笔记。问一个问题吧。", "{n} note{s} received. Ask a question."),
    "empty_ask_keys": (
        "回车提问 · F3 检索 · F4 读笔记 · Ctrl+P 所有命令 · F1 帮助",
        "Enter asks · F3 search · F4 notes · Ctrl+P every command · F1 help",
    ),
    "more_questions": ("可以这样问", "For instance"),
    "not_saved": ("对话没有保存", "the conversation is not kept"),
    "new_conversation": ("新对话", "New conversation"),
    "nothing_to_copy": ("没有可复制的内容", "nothing to copy"),
    "copied": ("已复制{what}", "copied {what}"),
    "the_answer": ("回答", "the answer"),
    "the_quote": ("引文", "the quotation"),
    "the_selection": ("所选文字", "what is selected"),
    "the_latex": ("公式的 LaTeX", "the LaTeX"),
    "no_citation": ("没有这条引用", "no such citation"),
    "busy": ("上一个问题还在回答，Esc 可停止", "still answering; Esc stops it"),
    "quoted_instead": ("以下直接摘录笔记", "what follows quotes the notes"),
    "no_model": ("没有设置模型：F7 选择", "no model is set: choose one with F7"),
    # source
    "source_empty": ("引用的原文在此显示", "what is cited is shown here"),
    "passage_empty": ("搜到的原文在此显示", "what is found is shown here"),
    "read_empty": ("选一篇笔记来读", "choose a note to read"),
    "outline": ("大纲", "Outline"),
    "cut_short": ("摘录到此为止", "the excerpt ends here"),
    "also_in": ("也见于 {n} 处", "also in {n} place{s}"),
    # search
    "search_hint": (
        "边打边搜；tag: source: after: before: 可筛选",
        "search as you type; tag: source: after: before: filter",
    ),
    "results": ("{n} 条 · {ms} 毫秒", "{n} result{s} · {ms} ms"),
    "listed": ("{n} 篇，新的在前", "{n} note{s}, newest first"),
    "listed_first": ("最新的 {n} 篇", "the {n} newest notes"),
    "no_tag": ("没有标签：{name}", "no such tag: {name}"),
    "no_source": ("没有这样的文件：{name}", "no such file: {name}"),
    "no_results": ("没有找到", "nothing found"),
    "explain": ("得分", "scores"),
    "score_bm25": ("词语", "words"),
    "score_cosine": ("语义", "meaning"),
    "score_coverage": ("覆盖", "coverage"),
    "score_opening_coverage": ("开头覆盖", "in the opening"),
    "score_lead_coverage": ("起首覆盖", "in its first words"),
    "score_early": ("早早出现", "said early"),
    "score_latin_coverage": ("英文覆盖", "Latin words"),
    "score_gram_coverage": ("双字覆盖", "pair coverage"),
    "score_longest_common": ("最长同串", "longest run"),
    "score_opening": ("开头即答", "begins with it"),
    "score_cue": ("提示词", "cue"),
    "score_cue_list": ("列举", "a list"),
    "score_cue_what": ("定义", "a definition"),
    "score_cue_why": ("原因", "a reason"),
    "score_symbols": ("公式符号", "symbols"),
    "score_length": ("长度", "length"),
    "score_apart": ("与众不同", "stands apart"),
    "score_beside": ("旁有相关", "beside others"),
    "score_headed": ("标题所问", "headed by it"),
    "score_topic": ("话题", "its topic"),
    "bad_date": ("日期应写作 2024-01-31：{value}", "write a date as 2024-01-31: {value}"),
    # reading
    "filter_notes": ("按标题或标签筛选", "filter by title or tag"),
    "excerpt": ("节选", "excerpt"),
    "no_notes": ("还没有笔记", "no notes yet"),
    "no_note": ("没有这篇笔记：{name}", "no such note: {name}"),
    "opened_link": ("链接已复制：{link}", "link copied: {link}"),
    "back_end": ("没有更早的了", "nothing earlier"),
    "forward_end": ("没有更晚的了", "nothing later"),
    # rebuilding
    "rebuild": ("收录", "Rebuild"),
    "stage_scan": ("查看文件", "looking at files"),
    "stage_read": ("读取", "reading"),
    "stage_embed": ("计算向量", "computing vectors"),
    "stage_commit": ("写入", "writing"),
    "stage_follow": ("更新索引", "updating the engines"),
    "stage_tidy": ("收回空间", "giving back space"),
    "left": ("还需 {n} 秒", "{n} s left"),
    "cancel_hint": ("Ctrl+X 取消", "Ctrl+X cancels"),
    "rebuild_cancelled": ("已取消；已完成的部分留着", "cancelled; what was done is kept"),
    "rebuild_running": ("正在收录", "already rebuilding"),
    "no_template": (
        "{name} 没有对话模板，回答可能不好：请换一个 instruct 或 chat 模型（notesqa model list）",
        "{name} brings no chat template and may answer badly:"
        " choose an instruct or chat model (notesqa model list)",
    ),
    "arrived": ("收到新传输：{n} 个文件。{key} 收录", "new files: {n}. {key} takes them in"),
    "files_changed": (
        "{n} 个文件有变动。{key} 收录",
        "files changed: {n}. {key} brings it up to date",
    ),
    "digest_ready": (
        "已收录：新增 {added} · 更新 {updated} · 移除 {removed}；{key} 看详情",
        "done: {added} added · {updated} updated · {removed} removed; {key} tells more",
    ),
    "no_digest": ("这次打开后还没有收录过", "nothing was rebuilt since the start"),
    "do_digest": ("收录详情", "What came"),
    "digest": ("本次收录", "What came"),
    "nothing_new": ("没有变化：提交 {n} 已是最新", "nothing changed: commit {n} is current"),
    "digest_line": (
        "新增 {added} · 更新 {updated} · 移除 {removed} · 用时 {seconds} 秒",
        "{added} added · {updated} updated · {removed} removed · {seconds} s",
    ),
    "digest_totals": (
        "现有 {documents} 篇，{chunks} 段，来自 {files} 个文件；{duplicates} 条重复",
        "{documents} notes, {chunks} passages, from {files} files; {duplicates} duplicates",
    ),
    "new_notes": ("新笔记", "New notes"),
    "updated_notes": ("更新的笔记", "Notes that changed"),
    "removed_notes": ("移除的笔记", "Notes that are gone"),
    "replaced": ("摘录变成了全文", "Excerpts that became whole articles"),
    "unread": ("读不了的文件", "Files that could not be read"),
    "remarks": ("读了，但写得有问题的文件", "Files that were read with something wrong in them"),
    "displaced": ("被同名文件替换的文件", "Files that made way for others of their name"),
    "copied_in": ("放进 corpus/ 的文件：{n}", "files added to corpus/: {n}"),
    "kept_as": ("旧的留在 {path}", "kept as {path}"),
    "left_out": (
        "另有 {n} 个其他格式的文件没有收录（{suffixes}）",
        "files of other formats that were left out: {n} ({suffixes})",
    ),
    "outdated": ("索引要更新", "index outdated"),
    "outdated_why": (
        "索引是用别的设置或旧版本做的。{key} 更新",
        "the index was made with other settings or by another version. {key} brings it up to date",
    ),
    "answers_changed": ("引用的笔记已改动的对话", "Conversations that cite a note that changed"),
    # history
    "history_hint": ("搜索对话", "search the conversations"),
    "no_history": ("还没有对话", "no conversations yet"),
    "turns": ("{n} 问", "{n} question{s}"),
    "rename": ("改名", "Rename"),
    "delete_ask": ("删除“{title}”？", "Delete “{title}”?"),
    "deleted": ("已删除。按 F9 撤销", "deleted; F9 takes it back"),
    "restored": ("已恢复", "restored"),
    "exported": ("已导出到 {path}", "exported to {path}"),
    # settings
    "home": ("目录", "Home"),
    "embedder": ("向量模型", "Embedder"),
    "model": ("对话模型", "Chat model"),
    "no_chat_model": ("不用模型，只摘录", "none: quote only"),
    "lexical": ("词语索引", "Word index"),
    "vectors": ("向量索引", "Vector index"),
    "milvus": ("Milvus 索引", "Milvus"),
    "device": ("在 {n} 上", "on {n}"),
    "theme": ("配色", "Theme"),
    "language": ("语言", "Language"),
    "next_start": ("下次打开时用中文", "English from the next start on"),
    "context": ("上下文", "Context"),
    "tokens": ("{n} 个词元", "{n} tokens"),
    "speed": ("上次速度", "Last speed"),
    "per_second": ("{n} 字/秒", "{n} characters/s"),
    "models_found": ("可用的模型", "Models found"),
    "choose": ("选用", "use"),
    "no_models": (
        "没有找到 GGUF 文件。用 notesqa model pull 下载，或 notesqa model use 指定服务器",
        "no GGUF file found: notesqa model pull fetches one, notesqa model use names a server",
    ),
    "keys_here": ("在这里", "Here"),
    "keys_answers": ("在回答和原文里（Esc 进入）", "In the answers and the passage (Esc)"),
    "keys_anywhere": ("在任何地方", "Anywhere"),
    "fill_keys": ("回车确定 · Esc 取消", "Enter keeps it · Esc leaves it"),
    "page_keys": ("Esc 关闭", "Esc closes"),
    "page_links_keys": ("Tab 选择 · 回车打开 · Esc 关闭", "Tab chooses · Enter opens · Esc closes"),
    "keys_hint": (
        'notesqa.toml 的 [tui.keys] 改键，右侧是名字，例如 search = "f12"',
        'change a key by its name under [tui.keys] in notesqa.toml: search = "f12"',
    ),
    "kept_in": ("选择保存在 {file}", "choices are kept in {file}"),
    "for_this_session": ("这个选择只在退出前有效", "this choice lasts until you quit"),
    # first run
    "welcome": ("收 到 空 信 号", "A   B L A N K   S I G N A L"),
    "welcome_1": (
        "这里还没有笔记。把 .txt 或 .md 文件放进 {corpus}，",
        "No notes yet. Put .txt or .md files into {corpus},",
    ),
    "welcome_2": (
        "或者在下面写一个文件夹，回车把其中的笔记收进来。",
        "or name a folder below: Enter takes its notes in.",
    ),
    "welcome_waiting": ("收 到 新 传 输", "I N C O M I N G"),
    "welcome_waiting_1": (
        "{corpus} 里有 {n} 个文件还没有收录，回车就开始。",
        "Files in {corpus} that wait to be taken in: {n}. Enter begins.",
    ),
    "welcome_waiting_2": (
        "也可以在下面写另一个文件夹，回车把其中的笔记收进来。",
        "Or name another folder below: Enter takes its notes in.",
    ),
    "still_empty": (
        "没有找到笔记：把 .txt 或 .md 文件放进 {corpus}",
        "no notes found: put .txt or .md files into {corpus}",
    ),
    "welcome_3": (
        "收完就能提问；每句回答都带着出处，什么也不会离开这台机器。",
        "Then ask. Every sentence cites its passage, and nothing leaves this machine.",
    ),
    "folder_hint": (
        "文件夹或文件的路径，例如 ~/notes（Tab 补全）",
        "path of a folder or file, e.g. ~/notes (Tab completes)",
    ),
    "add_notes": (
        "要收进来的文件或文件夹，例如 ~/Downloads/a.txt",
        "a file or folder to take in, e.g. ~/Downloads/a.txt",
    ),
    "path_keys": (
        "Tab 补全 · 回车收进来 · Esc 取消",
        "Tab completes · Enter takes it in · Esc leaves it",
    ),
    "no_such_path": ("没有这个路径：{path}", "no such path: {path}"),
    # general
    "yes": ("确定", "Yes"),
    "no": ("取消", "No"),
    "help": ("帮助", "Help"),
    "quit_again": (
        "再按一次 Ctrl+C 退出（Ctrl+Q 直接退出）",
        "Ctrl+C again quits (Ctrl+Q at once)",
    ),
    "colon": ("：", ": "),
    "error": ("出错了", "Something went wrong"),
    "palette": ("所有命令", "Every command"),
    "editor_missing": (
        '没有设置 $EDITOR。先在终端里写：export EDITOR=vim（或 nano、"code -w"）',
        '$EDITOR is not set. In the shell: export EDITOR=vim (or nano, "code -w")',
    ),
    "editor_failed": ("编辑器没有正常结束：{code}", "the editor ended with {code}"),
    "no_terminal": ("浏览器里不能打开编辑器", "no editor in a browser"),
    # actions, for footer, help and palette
    "do_quit": ("退出", "Quit"),
    "do_help": ("帮助", "Help"),
    "do_ask": ("提问", "Ask"),
    "do_search": ("检索", "Search"),
    "do_read": ("笔记", "Notes"),
    "do_history": ("历史", "History"),
    "do_settings": ("设置", "Settings"),
    "do_rebuild": ("收录", "Rebuild"),
    "do_add": ("收进别处的笔记", "Add notes"),
    "do_cancel": ("取消收录", "Cancel the rebuild"),
    "do_theme": ("切换明暗", "Dark or light"),
    "do_new": ("新对话", "New conversation"),
    "do_stop": ("返回", "Back"),
    "do_halt": ("停止", "Stop"),
    "do_look": ("看引用", "Citations"),
    "do_cite": ("打开引用", "Open a citation"),
    "do_scroll": ("翻看", "Scroll"),
    "do_interrupt": ("停止；再按退出", "Stop; again: quit"),
    "do_next": ("下一引用", "Next citation"),
    "do_previous": ("上一引用", "Previous citation"),
    "do_open": ("原文", "Passage"),
    "do_note": ("整篇笔记", "Whole note"),
    "do_type": ("打字", "Type"),
    "do_copy": ("复制回答", "Copy the answer"),
    "do_copy_quote": ("复制引文", "Copy the quotation"),
    "do_copy_latex": ("复制公式", "Copy the formulas"),
    "do_again": ("改一改再问", "Ask again, edited"),
    "do_quoting": ("改用摘录", "Quote only"),
    "do_composing": ("改用模型", "With the model"),
    "do_literal": ("按原话检索", "As typed"),
    "do_editor": ("编辑", "Edit"),
    "do_source": ("公式源码", "LaTeX source"),
    "do_explain": ("得分", "Scores"),
    "do_back": ("后退", "Back"),
    "do_forward": ("前进", "Forward"),
    "do_outline": ("大纲", "Outline"),
    "do_rename": ("改名", "Rename"),
    "do_delete": ("删除", "Delete"),
    "do_undo": ("撤销", "Undo"),
    "do_export": ("导出", "Export"),
    "do_pane": ("换栏", "Other pane"),
    "do_recall": ("上次所问", "Last question"),
    "do_palette": ("命令", "Commands"),
    "do_previous_turn": ("上一问", "Previous turn"),
    "do_next_turn": ("下一问", "Next turn"),
    "do_explore": ("打开", "Open"),
    "do_filter": ("筛选", "Filter"),
    "do_next_link": ("下一链接", "Next link"),
    "do_follow": ("打开链接", "Follow it"),
}


LANGUAGES: Mapping[str, str] = {"zh": "中文", "en": "English"}


class Wording:
    """The words in one language: `wording("results", n=3, ms=4)`."""

    def __init__(self, language: str) -> None:
        """`language` is `zh` or `en`."""
        self.language = language
        self._column = 0 if language == "zh" else 1

    def __call__(self, key: str, /, **values: object) -> str:
        """The wording of `key` with `values` filled in."""
        text = _WORDS[key][self._column]
        if not values:
            return text
        return text.format(**{"s": "" if values.get("n") == 1 else "s", **values})

    def named(self, kind: str, name: str) -> str:
        """What `name` is called among those of its kind; itself where it has no wording."""
        key = f"{kind}_{name}"
        return self(key) if key in _WORDS else name

    def is_ours(self, description: str) -> bool:
        """Whether `description` is the wording of one of our actions."""
        return any(
            texts[self._column] == description
            for key, texts in _WORDS.items()
            if key.startswith("do_")
        )

    def keys(self) -> list[str]:
        """Everything that has a wording."""
        return list(_WORDS)


def choose(setting: str = "", environ: Mapping[str, str] | None = None) -> Wording:
    """The wording for the setting, or else for the locale; Chinese where it says nothing."""
    environ = os.environ if environ is None else environ
    if not setting:
        named = next((environ[k] for k in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(k)), "")
        plain = named.partition(".")[0].partition("_")[0].lower()
        setting = "zh" if plain in ("", "c", "posix", "zh") else "en"
    return Wording("zh" if setting.lower().startswith("zh") else "en")


def describe(node: DOMNode, name: str, description: str) -> None:
    """Say of the binding with the id `name` what it does now."""
    bindings = node._bindings.key_to_bindings
    for key, several in bindings.items():
        bindings[key] = [
            replace(b, description=description) if b.id == name else b for b in several
        ]


def speak(node: DOMNode, words: Wording) -> None:
    """Put the wording of a node's bindings for their keys in `_WORDS`.

    Bindings belong to classes and are made before the language is known; a node has
    a copy of them of its own.
    """
    bindings = node._bindings.key_to_bindings
    for key, several in bindings.items():
        bindings[key] = [
            replace(b, description=words(b.description)) if b.description in _WORDS else b
            for b in several
        ]
