# Builds and tests CommonCanvas; build.sh does the same from bash. ".\build.ps1 help" lists the verbs.
# Plain enough for Windows PowerShell 5.1: no operator or cmdlet that came later.
param([string] $Verb = 'build')

$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $false
$env:DOTNET_NOLOGO = '1'
$env:DOTNET_CLI_TELEMETRY_OPTOUT = '1'
$env:TESTINGPLATFORM_TELEMETRY_OPTOUT = '1'
$env:DOTNET_CLI_UI_LANGUAGE = 'en'

$usage = @'
.\build.ps1                          restore the packages, build native/ and everything else
.\build.ps1 test [--golden | --kernels] [NAME]
                                     build, then run the tests; NAME: only those with it in namespace, class or method;
                                     --golden: only the comparisons with PyTorch's reference cases;
                                     --kernels: only the proofs of the CUDA kernels
.\build.ps1 fuzz [N] [NAME]          run the mutation tests with N mutated inputs each (default 100000)
.\build.ps1 mutate [N] [NAME]        change a barrier, wait, bound or sign of the kernels and see that their proofs fail: every
                                     N-th change (default 1) of the files and kinds with NAME (several: A,B) in them; build/mutants.txt lists all
.\build.ps1 nvrtc                    fetch NVRTC, the CUDA run-time compiler, into build/nvrtc where none is installed
.\build.ps1 clean                    delete what was built
.\build.ps1 help                     this text
'@

function Stop-Misuse([string] $Message) {
    [Console]::Error.WriteLine("build.ps1: $Message")
    [Console]::Error.WriteLine($usage)
    exit 2
}

# Restores, calls CMake for native/ (through the target in native/native.targets) and compiles, in Release. NVRTC is fetched
# on Debian where none is installed; without it the tests of the kernels are skipped.
function Invoke-Build {
    if (-not (Get-Command dotnet -ErrorAction SilentlyContinue)) {
        [Console]::Error.WriteLine('build.ps1: dotnet is not on the PATH: install the .NET 10 SDK, https://dot.net')
        exit 1
    }
    if ($env:OS -ne 'Windows_NT' -and (Get-Command bash -ErrorAction SilentlyContinue)) { bash native/fetch-nvrtc.sh | Out-Null }
    dotnet restore CommonCanvas.sln -v q | Out-Host
    if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
    dotnet build CommonCanvas.sln -c Release --no-restore -v q --nologo -clp:NoSummary | Out-Host
    if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
}

# Runs every test project, one after another, with these filters of the test runner; returns the exit code.
function Invoke-Tests([string[]] $Filters) {
    $total = @{ succeeded = 0; failed = 0; skipped = 0 }
    $broken = @()
    foreach ($project in Get-ChildItem tests/*/*.csproj) {
        $name = $project.BaseName
        Write-Host "== $name"
        $arguments = @("tests/$name/bin/Release/net10.0/$name.dll", '--no-ansi', '--progress', 'off',
            '--show-test-results', 'failed,skipped', '--show-stdout', 'failed', '--show-stderr', 'failed') + $Filters
        $count = @{ succeeded = 0; failed = 0; skipped = 0 }
        $inSummary = $false
        $reasonLine = 0
        $reasons = @()
        dotnet $arguments | ForEach-Object {
            if ($_ -match '^Test run summary:') { $inSummary = $true }
            elseif ($inSummary) { if ($_ -match '^  (succeeded|failed|skipped): (\d+)') { $count[$Matches[1]] = [int] $Matches[2] } }
            elseif ($_ -match '^skipped ') { $reasonLine = 1 }
            elseif ($reasonLine -gt 0 -and $_ -match '^ ') { if ($reasonLine++ -eq 1) { $reasons += $_.Trim() } }
            elseif ($_ -match '^ *at (Xunit\.v3|InvokeStub_|System\.(Reflection|Runtime\.CompilerServices|Threading))') { }
            elseif ($_ -ne '') {
                $reasonLine = 0
                if ($_ -match '^failed (.*) \([^()]*\)$') { $broken += '  ' + $Matches[1] }
                Write-Host $_
            }
        }
        # 0: passed, 2: tests failed, 8: the filter left none. Anything else is a crash, whatever the counts say.
        $code = $LASTEXITCODE
        if ($code -ne 0 -and $code -ne 8 -and ($code -ne 2 -or $count.failed -eq 0)) {
            $count.failed++
            $broken += "  $name ended with exit code $code before its tests were done"
        }
        $sum = $count.succeeded + $count.failed + $count.skipped
        if ($sum -gt 0) { Write-Host "   $($count.succeeded) of $sum tests passed, $($count.skipped) skipped" }
        foreach ($group in $reasons | Group-Object) { Write-Host "   $($group.Count) skipped: $($group.Name)" }
        foreach ($key in 'succeeded', 'failed', 'skipped') { $total[$key] += $count[$key] }
    }
    Write-Host ''
    if ($broken.Count -gt 0) { Write-Host ((@('Failed:') + $broken + '') -join [Environment]::NewLine) }
    if ($total.succeeded + $total.failed -eq 0) { Write-Host 'No test ran.' }
    Write-Host "$($total.succeeded) passed, $($total.failed) failed, $($total.skipped) skipped"
    if ($total.failed -eq 0 -and $total.succeeded -gt 0) { return 0 }
    return 1
}

$rest = @($args)
Push-Location $PSScriptRoot
try {
    switch ($Verb) {
        'build' {
            if ($rest.Count -gt 0) { Stop-Misuse 'build takes no arguments' }
            Invoke-Build
        }
        'test' {
            $filters = @()
            if ($rest.Count -gt 0 -and $rest[0] -in '--golden', '--kernels') {
                if ($rest[0] -eq '--golden') { $filters = @('--filter-trait', 'Category=Golden') }
                else { $filters = @('--filter-trait', 'Category=Kernels') }
                $rest = @($rest | Select-Object -Skip 1)
            }
            if ($rest.Count -gt 0 -and "$($rest[0])".StartsWith('-')) { Stop-Misuse "unknown option $($rest[0])" }
            if ($rest.Count -gt 1) { Stop-Misuse 'test takes one NAME' }
            if ($rest.Count -eq 1) { $filters += @('--filter-method', "*$($rest[0])*") }
            Invoke-Build
            exit (Invoke-Tests $filters)
        }
        'fuzz' {
            $inputs = '100000'
            if ($rest.Count -gt 0) { $inputs = "$($rest[0])" }
            if ($inputs -notmatch '^[0-9]+$') { Stop-Misuse "'$inputs' is not a number of inputs" }
            if ($rest.Count -gt 2) { Stop-Misuse 'fuzz takes N and one NAME' }
            $filters = @('--filter-trait', 'Category=Fuzz')
            if ($rest.Count -eq 2) { $filters += @('--filter-method', "*$($rest[1])*") }
            $env:COMMONCANVAS_FUZZ = $inputs
            Invoke-Build
            exit (Invoke-Tests $filters)
        }
        'mutate' {
            $step = '1'
            if ($rest.Count -gt 0) { $step = "$($rest[0])" }
            if ($step -notmatch '^[1-9][0-9]*$') { Stop-Misuse "'$step' is not a step between mutants" }
            if ($rest.Count -gt 2) { Stop-Misuse 'mutate takes N and one NAME' }
            $env:COMMONCANVAS_MUTANTS = $step
            if ($rest.Count -eq 2) { $env:COMMONCANVAS_MUTANTS_OF = "$($rest[1])" }
            $env:COMMONCANVAS_MUTANTS_LOG = Join-Path $PSScriptRoot 'build/mutants.txt'
            Invoke-Build
            if (Test-Path $env:COMMONCANVAS_MUTANTS_LOG) { Remove-Item $env:COMMONCANVAS_MUTANTS_LOG }
            $code = Invoke-Tests @('--filter-trait', 'Category=Mutation')
            Get-Content $env:COMMONCANVAS_MUTANTS_LOG | Where-Object { $_ -match '^[A-Z][a-z]+: ' } | Write-Host
            exit $code
        }
        'nvrtc' {
            if ($rest.Count -gt 0) { Stop-Misuse 'nvrtc takes no arguments' }
            if (-not (Get-Command bash -ErrorAction SilentlyContinue)) {
                [Console]::Error.WriteLine('build.ps1: NVRTC is fetched on Debian alone; elsewhere install the CUDA toolkit')
                exit 1
            }
            bash native/fetch-nvrtc.sh
            exit $LASTEXITCODE
        }
        'clean' {
            if ($rest.Count -gt 0) { Stop-Misuse 'clean takes no arguments' }
            foreach ($folder in 'build', 'src/*/bin', 'src/*/obj', 'tests/*/bin', 'tests/*/obj', 'bench/*/bin', 'bench/*/obj', 'Trainer/bin', 'Trainer/obj') {
                if (Test-Path $folder) { Remove-Item $folder -Recurse -Force }
            }
        }
        'help' { Write-Host $usage }
        default { Stop-Misuse "unknown verb '$Verb'" }
    }
}
finally { Pop-Location }
