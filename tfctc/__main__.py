from tfctc.cli import main

main(prog_name="tfctc")
