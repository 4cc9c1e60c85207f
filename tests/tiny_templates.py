"""Chat templates of our own, with the features that real families' have.

A default system prompt; a BOS written by the template; no system role; a system message that the
template itself folds into the user turn; a date; an empty system prompt that is dropped; no header
in front of the answer; an end of the turn that is not the EOS, or none at all.
"""

QWEN2 = """\
{%- if messages[0].role != 'system' -%}
<|im_start|>system
You are a small machine.<|im_end|>
{% endif -%}
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% endif -%}
"""
LLAMA = """\
{{- bos_token -}}
{%- for message in messages -%}
<|head|>{{ message.role }}<|/head|>

{{ message.content | trim }}<|eot|>
{%- endfor -%}
{%- if add_generation_prompt -%}
<|head|>assistant<|/head|>

{% endif -%}
"""
GEMMA3 = """\
{{- bos_token -}}
{%- for message in messages -%}
{%- if message.role == 'system' -%}{{ raise_exception('there is no system role') }}{%- endif -%}
<start_of_turn>{{ 'model' if message.role == 'assistant' else message.role }}
{{ message.content | trim }}<end_of_turn>
{% endfor -%}
{%- if add_generation_prompt -%}
<start_of_turn>model
{% endif -%}
"""
# Thinking that is switched off leaves an empty thought in the header.
QWEN3 = """\
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% if message.role == 'assistant' and loop.last -%}
<think>

</think>

{% endif -%}
{{ message.content }}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% if enable_thinking is defined and not enable_thinking -%}
<think>

</think>

{% endif -%}
{% endif -%}
"""
# The day stands in the default system prompt, and nothing stands in front of an answer.
MISTRAL = """\
{{- bos_token -}}
{%- if messages[0].role != 'system' -%}
[SYS]You are a small machine. Today is {{ strftime_now('%Y-%m-%d') }}.[/SYS]
{%- endif -%}
{%- for message in messages -%}
{%- if message.role == 'system' -%}[SYS]{{ message.content }}[/SYS]
{%- elif message.role == 'user' -%}[INST]{{ message.content }}[/INST]
{%- else -%}{{ message.content }}{{ eos_token }}
{%- endif -%}
{%- endfor -%}
"""
# An empty system prompt is dropped; without a header there is an EOS in its place.
PHI3 = """\
{%- for message in messages -%}
{%- if message.role != 'system' or message.content -%}
<|{{ message.role }}|>
{{ message.content }}<|end|>
{% endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
<|assistant|>
{% else -%}
{{ eos_token }}
{%- endif -%}
"""
# No token marks anything: turns end with a blank line.
FALCON = """\
{%- for message in messages -%}
{{ message.role | title }}: {{ message.content }}

{% endfor -%}
{%- if add_generation_prompt -%}
Assistant:
{%- endif -%}
"""
# A system message goes in front of the first question, folded by the template itself.
GEMMA3_VISION = """\
{{- bos_token -}}
{%- set ahead = messages[0].content + '\n\n' if messages[0].role == 'system' else '' -%}
{%- for message in messages if message.role != 'system' -%}
<start_of_turn>{{ 'model' if message.role == 'assistant' else message.role }}
{{ ahead if loop.first }}{{ message.content | trim }}<end_of_turn>
{% endfor -%}
{%- if add_generation_prompt -%}
<start_of_turn>model
{% endif -%}
"""
