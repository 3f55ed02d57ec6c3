"""Every row of the catalogue of faults and attacks, and what proves its right behaviour.

A proof is a test's file below tests/ and its name. Proofs of this folder are not listed: their names begin with the
row's (``test_c4_…``), and the row says so by ``ON_THE_WIRE``. ``left`` says what of a row is not proved, and why.
"""

from __future__ import annotations

from dataclasses import dataclass

ON_THE_WIRE = "on the wire"
_NOT_YET = "belongs to a command that does not exist yet"


@dataclass(frozen=True, slots=True)
class Row:
    """One row: what happens, and the tests that prove what follows."""

    fault: str
    proofs: tuple[str, ...] = ()
    left: str = ""


def row(fault: str, *proofs: str, left: str = "") -> Row:
    """Return a row; ``proofs`` as ``folder/file::test``, without ``test_`` and ``.py``."""
    return Row(fault, tuple(proof if proof == ON_THE_WIRE else _node(proof) for proof in proofs), left)


def _node(proof: str) -> str:
    path, _, test = proof.partition("::")
    folder, _, file = path.rpartition("/")
    return f"{f'{folder}/' if folder else ''}test_{file}.py::test_{test}"


ROWS: dict[str, Row] = {
    "A1": row("no git repository", "traps/git_traps::no_git", "adapters/app_plan::without_git_there_are_plain_reasons"),
    "A2": row("dubious ownership", "traps/git_traps::dubious_ownership", "cli/cli::dubious_ownership"),
    "A3": row(
        "dirty tree, untracked and ignored files that are sent",
        "traps/git_traps::untracked_files",
        "traps/git_traps::ignored_files_in_context",
    ),
    "A4": row("shallow clone", "traps/git_traps::shallow_clone", "adapters/git_history::ancestry_in_a_shallow_clone"),
    "A5": row(
        "detached HEAD, no commit, refs/pull merge",
        "adapters/git_history::a_detached_head_has_no_branch",
        "adapters/git_history::an_empty_repository_has_a_branch_and_no_commit",
        "traps/git_traps::merge_ref_and_squash",
    ),
    "A6": row(
        "submodule absent, LFS pointer, sparse files",
        "traps/git_traps::submodule_not_initialised",
        "traps/git_traps::sparse_checkout",
        "adapters/git_conversion::lfs_pointers_are_refused_where_they_matter",
    ),
    "A7": row(
        "worktree, GIT_* variables of hooks",
        "traps/git_traps::worktree_bare_and_git_dir",
        "adapters/git_command::hook_variables_do_not_mislead",
    ),
    "A8": row("index.lock left", "adapters/git_worktree::a_stale_lock_and_a_read_only_repository_do_not_matter"),
    "A9": row("odd file names", "traps/git_traps::odd_names", "adapters/git_worktree::any_name_survives"),
    "A10": row(
        "files change between key and build",
        "traps/git_traps::file_changes_between_key_and_build",
        "integration/main_job::files_that_change_during_the_build_are_not_tagged",
    ),
    "A11": row(
        "git missing or old",
        "adapters/git_command::a_missing_git_is_said",
        "adapters/git_command::an_old_git_is_refused",
    ),
    "B1": row("odd YAML", "unit/config_problems::problem_is_reported_where_it_stands"),
    "B2": row(
        "billion laughs, cyclic aliases",
        "unit/config_document::hostile_file_is_refused_within_a_second",
        "unit/config_document::hostile_files_stay_below_100_megabytes",
    ),
    "B3": row("100,000 brackets", "unit/config_document::hostile_file_is_refused_without_libyaml"),
    "B4": row("object tags", "unit/config_document::any_text_gives_a_configuration_or_problems"),
    "B5": row("paths outside", "unit/config::paths_outside_need_the_callers_permission"),
    "B6": row("colliding names, cycles", "unit/config_problems::problem_is_reported_where_it_stands"),
    "B7": row(
        "undefined variables, secret literals",
        "unit/config_placeholders::environment_is_read_once_and_never_as_a_template",
        "unit/config::what_is_probably_not_meant_is_a_warning",
    ),
    "C1": row(
        "DNS, refused, RST, TLS, proxy 407",
        ON_THE_WIRE,
        "adapters/registry_faults::unknown_name",
        "adapters/registry_faults::untrusted_certificate",
        "adapters/registry_auth::refusing_proxy",
    ),
    "C2": row("5xx, 408, 429 once", ON_THE_WIRE, "cli/retries::a_retried_request_is_told_and_counted"),
    "C3": row("5xx always", ON_THE_WIRE, "cli/cli::a_registry_that_fails"),
    "C4": row("Retry-After", ON_THE_WIRE, "cli/retries::what_a_registry_asks_for_is_waited"),
    "C5": row("odd error bodies", ON_THE_WIRE, "cli/hostile::what_a_registry_says"),
    "C6": row("truncated, other bytes", ON_THE_WIRE, "adapters/registry_verdicts::wrong_digest"),
    "C7": row(
        "redirects",
        ON_THE_WIRE,
        "adapters/registry_auth::redirect_to_another_port_loses_the_credentials",
        "adapters/registry_auth::redirect_never_loses_tls",
    ),
    "C8": row(
        "bearer realms",
        ON_THE_WIRE,
        "adapters/registry_auth::realms_that_get_nothing",
        "adapters/registry_auth::huge_token_answer",
    ),
    "C9": row("slow answers, silence", ON_THE_WIRE),
    "C10": row("upload to another host", "adapters/registry_uploads::an_upload_elsewhere_gets_no_credential"),
    "C11": row("HEAD says too little", ON_THE_WIRE),
    "C12": row("Warning header", ON_THE_WIRE),
    "C13": row("lost answers", ON_THE_WIRE, "adapters/registry_verdicts::last_answer_lost"),
    "D1": row("narrow Accept, schema 1", ON_THE_WIRE),
    "D2": row("kinds of 404", ON_THE_WIRE, "adapters/registry_verdicts::missing_ecr_repository"),
    "D3": row("401 and 403 on a question", ON_THE_WIRE),
    "D4": row(
        "immutable tags", ON_THE_WIRE, "adapters/registry_profiles_push::an_immutable_tag_that_another_run_wrote_first"
    ),
    "D5": row("a platform is missing", ON_THE_WIRE, "integration/main_job::missing_platform_is_built_alone_and_joined"),
    "D6": row(
        "children or blobs gone", ON_THE_WIRE, "adapters/app_trust::every_missing_part_makes_its_platform_missing"
    ),
    "D7": row("pages of lists", ON_THE_WIRE, "adapters/registry_lists::where_a_next_page_must_not_be"),
    "D8": row("too large", ON_THE_WIRE),
    "D9": row("names that no registry takes", ON_THE_WIRE, "unit/reference::illegal_references"),
    "D10": row("no mount", ON_THE_WIRE, "adapters/registry_uploads::a_mount_that_fails_is_an_upload"),
    "D11": row("stale mirrors", ON_THE_WIRE, "traps/dockerfile_traps::pull_through_and_mirrors"),
    "D12": row("MANIFEST_BLOB_UNKNOWN", ON_THE_WIRE),
    "E1": row("engine out of reach", "integration/builders::engine_that_does_not_answer", "cli/cli::a_missing_engine"),
    "E2": row(
        "engine dies in the middle",
        ON_THE_WIRE,
        "unit/build_failures::what_means_that_the_engine_is_gone",
        left="no engine is killed in mid-push here: the texts of one that was are classified",
    ),
    "E3": row("errors in the stream alone", ON_THE_WIRE, "unit/build_failures::push_errors"),
    "E4": row("stale pull", left="nothing is ever pulled into the engine by the tool"),
    "E5": row("classic builder and BuildKit's syntax", "integration/builders::needs_buildx"),
    "E6": row(
        "Dockerfile errors, failing steps",
        "integration/builders::syntax_error_is_blamed_on_its_image",
        "integration/main_job::failed_image_does_not_stop_independent_ones",
    ),
    "E7": row(
        "disk full",
        "unit/build_failures::push_errors",
        left="a full disk of engine or registry is a text here; only the report's disk is really full",
    ),
    "E8": row("build hangs", "integration/builders::interruption_leaves_nothing", left="there is no --timeout yet"),
    "E9": row("containerd store: index and attestation", "integration/builders::graph_is_built_and_pushed"),
    "E10": row("image not there", ON_THE_WIRE),
    "E11": row(
        "quiet streams",
        left="the engine client waits without a limit; a minute of silence is too long for a test",
    ),
    "F1": row("expired AWS token, clock", "adapters/registry_credentials::aws_errors"),
    "F2": row("throttling", "adapters/ecs_deploy::throttling_and_short_outages_are_sat_out"),
    "F3": row("AccessDenied", "adapters/registry_credentials::aws_errors", "cli/ecs::exit_codes_of_aws_failures"),
    "F4": row("repository missing", "adapters/registry_profiles::ecr_says_what_to_create"),
    "F5": row(
        "ECR token expires in mid-push",
        "adapters/registry_uploads::a_token_that_expires_in_the_middle",
        "adapters/registry_profiles::a_token_that_expires_in_mid_run",
    ),
    "F6": row("register, then update fails", "adapters/ecs_deploy::refused_order_is_this_services_failure_alone"),
    "F7": row("rollback", "cli/ecs::rollback_is_exit_1_with_the_reason"),
    "F8": row("run_task failures", "cli/ecs::run_task_shows_the_exit_code"),
    "F9": row("another deployment in between", "adapters/ecs_deploy::every_way_a_deployment_ends_is_named"),
    "F10": row("BatchGetImage", left="not used: every question goes to the registry's own API"),
    "G1": row(
        "values that end an output",
        "unit/outputs_github::the_runner_reads_back_exactly_what_was_written",
        "unit/outputs_github::delimiters_are_random_and_not_in_the_value",
    ),
    "G2": row("workflow commands in output", "unit/outputs_github::build_output_in_a_group_runs_no_command"),
    "G3": row(
        "outputs cannot be written", "unit/outputs_github::an_output_that_cannot_be_written_says_what_was_pushed"
    ),
    "G4": row("too large", "unit/outputs_github::outputs_beyond_the_limit_are_left_out_whole"),
    "G5": row("stdout closed", "cli/cli::stdout_closed", "integration/main_job::stopped_reader_does_not_stop_the_work"),
    "G6": row("locale without UTF-8", "cli/cli::names_beyond_ascii_in_a_plain_locale"),
    "G7": row("secrets in output", "unit/outputs_github::masks_hide_every_line_and_never_nothing"),
    "G8": row("template injection", "actions/form::inputs_reach_scripts_through_the_environment_alone"),
    "H1": row(
        "two runs, one key",
        "integration/races::runners_in_threads_end_with_one_digest_per_tag",
        "integration/races::runners_that_push_by_tag_end_with_one_digest_per_tag",
        "faults/late_writes::another_runners_image_is_not_overwritten_by_a_repeated_put",
    ),
    "H2": row(
        "one alias, several commits",
        "integration/records::runs_at_once_in_any_order_leave_the_newest",
        "faults/late_writes::a_newer_commits_alias_is_not_taken_back_by_a_repeated_put",
        left="a run that finds its alias unchanged leaves no trace: see faults/soak.py, _judge_alias",
    ),
    "H3": row("tag deleted before the deployment", "integration/main_job::task_definition_is_written_by_digest"),
    "H4": row("clean-up beside a run", left=_NOT_YET),
    "H5": row("two processes, one file", "adapters/login::two_logins_at_once_lose_neither"),
    "H6": row(
        "one of several fails",
        "integration/main_job::failed_image_does_not_stop_independent_ones",
        "unit/execute_run::a_failed_image_stops_only_what_builds_upon_it",
    ),
    "H7": row("local tag moves during the push", "integration/builders::push_adopts_what_is_there"),
    "I1": row(
        "SIGINT, SIGTERM",
        "integration/main_job::interrupted_run_leaves_nothing_half",
        "adapters/registry_faults::interruption_leaves_at_once",
    ),
    "I2": row("SIGKILL at any moment", ON_THE_WIRE),
    "I3": row("second Ctrl-C", left="not tried"),
    "I4": row(
        "stdin closed",
        "cli/cli::stdout_closed",
        left="every test runs with stdin closed; a parent's death is not tried",
    ),
    "I5": row(
        "credentials in temporary folders", "adapters/docker_config::children_get_a_configuration_without_any_token"
    ),
    "J1": row("disk full", "cli/cli::a_full_disk_while_writing_a_report"),
    "J2": row("no HOME", "cli/cli::a_read_only_checkout_works", left="without HOME altogether is not tried"),
    "J3": row(
        "clock an hour off",
        "adapters/doctor_services::an_ordinary_date_is_no_skew",
        ON_THE_WIRE,
        left="Retry-After dates count from the answer's own Date (C4); whole runs under another clock are not tried",
    ),
    "J4": row("time goes backwards", "unit/retry::full_jitter_is_bounded", left="budgets use a monotonic clock"),
    "J5": row("few file descriptors", "adapters/git_worktree::no_process_or_descriptor_is_left_behind"),
    "J6": row("special files", "adapters/filesystem::special_files_are_recorded_and_never_opened"),
    "K1": row(
        "credential helpers",
        "adapters/registry_credentials::helpers_that_fail",
        "adapters/registry_credentials::helper_that_hangs",
        "adapters/registry_credentials::helper_has_no_terminal",
    ),
    "K2": row("broken config.json", "adapters/registry_credentials::broken_files"),
    "K3": row("auth without a colon", "adapters/registry_credentials::broken_files"),
    "K4": row("identity tokens", "adapters/registry_auth::identity_token", "adapters/registry_auth::registry_token"),
    "K5": row("expired", "cli/cli::an_expired_token", "adapters/registry_auth::token_refused_in_between"),
    "K6": row("another host's credentials", "adapters/registry_credentials::only_the_exact_host"),
    "K7": row(
        "passwords in the wrong place",
        "unit/reference::credentials_never_reach_a_message",
        "adapters/registry_credentials::docker_auth_config_is_refused_where_it_matters",
    ),
    "K8": row("the wrong login", "adapters/registry_profiles_push::a_login_that_may_only_pull"),
    "L1": row(
        "a context that is a bare repository",
        "cli/cli::a_bare_repository_as_context_runs_nothing",
        "adapters/git_command::a_context_that_is_a_bare_repository_runs_nothing",
    ),
    "L2": row("filter drivers", "adapters/git_conversion::a_filter_driver_never_runs"),
    "L3": row("links to secrets", "adapters/filesystem::reading_follows_links_inside_only"),
    "L4": row("another registry in the file", "adapters/registry_credentials::only_the_exact_host"),
    "L5": row("hooks in the file", "adapters/git_command::programs_of_the_repository_configuration_do_not_run"),
    "L6": row(
        "poisoned tags",
        "adapters/app_trust::a_poisoned_image_has_the_label_and_no_record",
        "adapters/app_trust::an_untrusted_image_serves_no_other_run",
    ),
    "L7": row("control codes in names", "cli/hostile::files_branches_and_commits"),
    "L8": row("branch names", "cli/hostile::refs_and_variables_of_the_ci"),
    "L9": row("text in labels", "cli/hostile::files_branches_and_commits"),
    "L10": row("FROM and ADD of internal addresses", left="the build sandbox's matter; docs/security.md says so"),
}
